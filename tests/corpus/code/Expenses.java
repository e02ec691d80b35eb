package handbook;

import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.LocalDate;
import java.time.temporal.ChronoUnit;
import java.util.List;

/** What an expense report comes to. */
public final class Expenses {

    private static final BigDecimal MEALS_PER_DAY = new BigDecimal("100.00");
    private static final int DAYS_TO_HAND_IN = 10;

    public record Receipt(String what, BigDecimal amount, boolean meal) {}

    private Expenses() {}

    /** The sum of all receipts but those for meals, for which each day of the trip has an allowance. */
    public static BigDecimal total(List<Receipt> receipts, LocalDate first, LocalDate last) {
        long days = ChronoUnit.DAYS.between(first, last) + 1;
        BigDecimal paid = receipts.stream()
                .filter(receipt -> !receipt.meal())
                .map(Receipt::amount)
                .reduce(BigDecimal.ZERO, BigDecimal::add);
        return paid.add(MEALS_PER_DAY.multiply(BigDecimal.valueOf(days))).setScale(2, RoundingMode.HALF_UP);
    }

    /** Whether a report that is handed in on that day is still in time. */
    public static boolean inTime(LocalDate last, LocalDate handedIn) {
        return !handedIn.isAfter(last.plusDays(DAYS_TO_HAND_IN));
    }
}
