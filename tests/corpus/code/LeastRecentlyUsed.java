package handbook;

import java.util.LinkedHashMap;
import java.util.Map;

/** A map that forgets what has not been asked for longest, once it holds more than it may. */
public final class LeastRecentlyUsed<K, V> extends LinkedHashMap<K, V> {

    private final int most;

    public LeastRecentlyUsed(int most) {
        super(16, 0.75f, true);
        if (most < 1) {
            throw new IllegalArgumentException("most must be 1 or more, not " + most);
        }
        this.most = most;
    }

    @Override
    protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
        return size() > most;
    }
}
