"""Which hosts and origins a configured value lets in, and which values could let nobody in."""

from __future__ import annotations

import re

import pytest

from embedstack.bridge.settings import hosts
from embedstack.bridge.settings.hosts import Authority, Origin


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("172.17.0.1:11435", "172.17.0.1", 11435),
        ("192.168.1.5", "192.168.1.5", None),
        ("0.0.0.0", "0.0.0.0", None),  # noqa: S104 -- named, not bound
        ("8.8.8.8:0", "8.8.8.8", 0),
        ("10.0.0.1:", "10.0.0.1", None),
        ("[::1]", "::1", None),
        ("[FD00:0:0::20]:65535", "fd00::20", 65535),
        ("[fe80::1%25eth0]:11435", "fe80::1", 11435),
        ("[fe80::1%eth0.100]", "fe80::1", None),
        ("fe80::1%wlp2s0", "fe80::1", None),
        ("::1", "::1", None),
        ("[::]", "::", None),
    ],
)
def test_an_address_is_read_in_every_spelling_that_clients_have(text: str, host: str, port: int | None) -> None:
    """Canonical, without brackets and zone."""
    assert Authority(host, port, is_literal=True) == hosts.authority(text)


def test_an_address_inside_another_is_an_address() -> None:
    """IPv4 mapped into IPv6, in both spellings."""
    mapped, in_hexadecimal = hosts.authority("[::ffff:1.2.3.4]"), hosts.authority("[::FFFF:102:304]")

    assert mapped is not None
    assert mapped.is_literal
    assert mapped == in_hexadecimal


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1.evil.example", "127.0.0.1.nip.io", "127.0.0.1..", "127.0.0.1.x", "127。0。0。1", "localhost"),
        *("127-0-0-1.evil.example", "0x7f.1.example", "fd00--20.evil.example"),
    ],
)
def test_what_only_begins_like_an_address_is_a_name(text: str) -> None:
    """A DNS server that an attacker runs answers for it."""
    at = hosts.authority(text)

    assert at is not None
    assert not at.is_literal


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1.", "127.1", "2130706433", "0x7f.1", "0x7f000001", "0x", "0177.0.0.1", "127.0.0.01"),
        *("1.2.3.4.5", "256.0.0.1", "a.1", "127.0.0.0x1", "127.0.0.1.1."),
    ],
)
def test_what_is_an_address_to_some_alone_is_no_host(text: str) -> None:
    """What ends in a number is an address to browsers and to some resolvers, and a name to others."""
    assert hosts.authority(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1:65536", "127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:x", "127.0.0.1:１", "127.0.0.1:8080:80"),
        *("user@127.0.0.1", "127.0.0.1@evil.example", "127.0.0.1/x", "127.0.0.1?x", "127.0.0.1#x", "127.0.0.1\\x"),
        *("127.0.0.1 ", " 127.0.0.1", "127.0.0.1,evil.example", "[127.0.0.1", "127.0.0.1]", "[]", "[::1]x", "[::1"),
        *("[127.0.0.1.evil.example]", "[::1%25a/b]", "[g::1]", "", ":", ":80", "a\tb", "a\x00b", "a" * 301),
    ],
)
def test_what_is_no_host_is_read_as_none(text: str) -> None:
    """Nothing of it is looked at: not the part before a port, nor that behind an @."""
    assert hosts.authority(text) is None


ANYWHERE = ("localhost", "chat.example.org", "8.8.8.8", "x")


@pytest.mark.parametrize(
    ("value", "taken", "refused"),
    [
        (
            "chat.example.org",
            ["chat.example.org"],
            ["example.org", "x.chat.example.org", "chat.example.org.evil.example"],
        ),
        ("Chat.Example.ORG.", ["chat.example.org"], ["chat.example.com"]),
        ("my_service", ["my_service"], ["my-service"]),
        ("xn--bcher-kva.example", ["xn--bcher-kva.example"], ["bücher.example"]),
        (
            "*.internal",
            ["ollama.internal", "a.b.internal"],
            ["internal", ".internal", "ainternal", "a.internal.example"],
        ),
        ("*.example.org", ["a.example.org", "a.b.example.org"], ["example.org", "aexample.org", "a.example.org.evil"]),
        ("192.168.0.0/16", ["192.168.1.5", "192.168.255.255"], ["192.169.0.1", "192.168.1.5.evil.example", "fd00::1"]),
        ("192.168.1.5/16", ["192.168.200.1"], ["192.169.0.1"]),
        ("10.0.0.1", ["10.0.0.1"], ["10.0.0.2", "10.0.0.1.evil.example"]),
        ("fd00::/8", ["fd00::1", "fdff::"], ["fe80::1", "10.0.0.1"]),
        ("[FD00::20]", ["fd00::20"], ["fd00::21"]),
        ("*", ANYWHERE, []),
    ],
)
def test_a_configured_host_takes_what_it_says_and_nothing_else(
    value: str, taken: list[str], refused: list[str]
) -> None:
    """Names in any case, everything below a domain, addresses and networks of them."""
    pattern = hosts.host_pattern(value)

    assert list(taken) == [host for host in taken if pattern.matches(host)]
    assert [host for host in refused if pattern.matches(host)] == []


@pytest.mark.parametrize(
    ("value", "way"),
    [
        ("https://chat.example.org", "write 'chat.example.org'"),
        ("http://chat.example.org:80/x", "write 'chat.example.org'"),
        ("https://", "write the host"),
        ("chat.example.org:8443", "write 'chat.example.org'"),
        ("chat.example.org:*", "write 'chat.example.org'"),
        ("192.168.1.5:11435", "write '192.168.1.5'"),
        ("[::1]:11435", "write '[::1]'"),
        ("chat.example.org/", "write 'chat.example.org'"),
        ("10.0.0.0/33", "write 10.0.0.0 alone, or with its bits"),
        ("10.0.0.0-10.0.0.9", "write all four numbers"),
        (" chat.example.org", "write the host alone"),
        ("chat.example.org\n", "write the host alone"),
        ("a b", "write it as clients do"),
        ("", "write the host alone"),
        (".", "write it as clients do"),
        (".example.org", "write it as clients do"),
        ("a..b", "write it as clients do"),
        ("user@chat.example.org", "write it as clients do"),
        ("a" * 64, "write it as clients do"),
        (".".join(["a" * 60] * 5), "write it as clients do"),
        ("bücher.example", "write 'xn--bcher-kva.example'"),
        ("例え.jp", "write 'xn--r8jz45g.jp'"),
        ("192.168.1", "write all four numbers"),
        ("2130706433", "write all four numbers"),
        ("0x7f.0.0.0x1", "write all four numbers"),
        ("*.168.192", "write all four numbers"),
        ("192.168.*", "a * stands for"),
        ("chat*.example.org", "a * stands for"),
        ("*.*.example.org", "a * stands for"),
        ("**", "a * stands for"),
        ("*.", "a * stands for"),
        ("^chat$", "write it as clients do"),
    ],
)
def test_a_host_that_can_never_match_is_refused_with_the_way(value: str, way: str) -> None:
    """Whatever no client sends in Host: a scheme, a port, a path, a user, spaces, other letters, other wildcards."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011 -- the message is what is looked at
        hosts.host_pattern(value)

    assert way in str(refused.value)
    for advised in re.findall("write '(.+)'", str(refused.value)):
        hosts.host_pattern(advised)


@pytest.mark.parametrize(
    ("value", "taken", "refused"),
    [
        (
            "https://chat.example.org",
            ["https://chat.example.org", "https://CHAT.example.org:443"],
            ["http://chat.example.org", "https://chat.example.org:8443", "https://a.chat.example.org", "null"],
        ),
        ("HTTPS://Chat.Example.org:443/", ["https://chat.example.org"], ["https://chat.example.org:444"]),
        ("http://chat.example.org:8080", ["http://chat.example.org:8080"], ["http://chat.example.org"]),
        (
            "https://*.example.org",
            ["https://a.example.org", "https://a.b.example.org"],
            ["https://example.org", "http://a.example.org", "https://aexample.org", "https://a.example.org:8443"],
        ),
        ("https://*.example.org:*", ["https://a.example.org:8443", "https://a.example.org"], ["https://example.org:1"]),
        ("http://10.0.0.5:*", ["http://10.0.0.5:3000", "http://10.0.0.5"], ["http://10.0.0.6:3000"]),
        ("http://[FD00:0::5]:80", ["http://[fd00::5]"], ["http://[fd00::6]"]),
        (
            "chrome-extension://*",
            ["chrome-extension://abcdefghijklmnopabcdefghijklmnop"],
            ["moz-extension://abc", "chrome-extension://a/b", "chrome-extension://a b"],
        ),
        ("chrome-extension://abc", ["chrome-extension://abc"], ["chrome-extension://abd"]),
        ("app://obsidian.md", ["app://obsidian.md"], ["app://other.md"]),
        ("file://", ["file://"], ["file://x", "null"]),
        ("file://*", ["file://", "file://x"], ["null"]),
        ("http://*", ["http://a", "http://a:3000"], ["https://a", "null"]),
        ("null", ["null"], ["https://a", "file://"]),
        ("*", ["https://a:1", "null", "app://x", "file://"], ["https://a/b", "nonsense", ""]),
    ],
)
def test_a_configured_origin_takes_what_it_says_and_nothing_else(
    value: str, taken: list[str], refused: list[str]
) -> None:
    """A browser leaves out the scheme's own port, and sends neither a path nor capitals."""
    pattern = hosts.origin_pattern(value)

    def lets(text: str) -> bool:
        page = hosts.origin(text)
        return page is not None and pattern.matches(page)

    assert taken == [text for text in taken if lets(text)]
    assert [text for text in refused if lets(text)] == []


@pytest.mark.parametrize(
    ("value", "way"),
    [
        ("https://chat.example.org/app", "write https://chat.example.org"),
        ("https://chat.example.org?x=1", "write https://chat.example.org"),
        ("https://chat.example.org#x", "write https://chat.example.org"),
        ("chat.example.org", "write it as SCHEME://HOST[:PORT]"),
        ("chat.example.org:8080", "write it as SCHEME://HOST[:PORT]"),
        ("*.example.org", "write it as SCHEME://HOST[:PORT]"),
        ("//chat.example.org", "write it as SCHEME://HOST[:PORT]"),
        (" https://chat.example.org", "write it as SCHEME://HOST[:PORT]"),
        ("*://chat.example.org", "write it as SCHEME://HOST[:PORT]"),
        ("", "write it as SCHEME://HOST[:PORT]"),
        ("https://", "write it as clients do"),
        ("https://user@chat.example.org", "write it as clients do"),
        ("https://chat.example.org ", "write it as clients do"),
        ("https://chat.example.org:65536", "its port is neither"),
        ("https://chat.example.org:0", "its port is neither"),
        ("https://chat.example.org:80a", "its port is neither"),
        ("https://chat.*", "a * stands for"),
        ("https://*chat.example.org", "a * stands for"),
        ("https://bücher.example", "'xn--bcher-kva.example'"),
        ("http://192.168.1", "write all four numbers"),
        ("http://fd00::20", "stands in brackets"),
    ],
)
def test_an_origin_that_can_never_match_is_refused_with_the_way(value: str, way: str) -> None:
    """Whatever no browser sends in Origin."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011 -- the message is what is looked at
        hosts.origin_pattern(value)

    assert way in str(refused.value)
    for advised in re.findall(r"write (\w+://\S+)", str(refused.value)):
        hosts.origin_pattern(advised)


@pytest.mark.parametrize("text", ["https://a/b", "https://a:99999", "https://a@b", "x", "", "https:a", "https://a b"])
def test_what_no_browser_sends_is_no_origin(text: str) -> None:
    """It is refused before any pattern sees it."""
    assert hosts.origin(text) is None


def test_a_page_without_a_host_is_one() -> None:
    """A page in a sandbox, and a file in a web view."""
    assert (hosts.origin("null"), hosts.origin("file://")) == (Origin("null", "", None), Origin("file", "", None))
