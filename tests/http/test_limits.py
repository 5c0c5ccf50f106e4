"""Limits against abuse: allowances by address and account, proxies that are believed and those that are not."""
import random
import signal
import socket
import struct
import time


from api import Api, eventually, expect, in_threads, new_account, new_transaction
from faulty import must_fail, running
from signing import callback_fields, signed_body

BALANCE = "/api/check_balance?account=13812345678"
TIGHT = "[rate_limit]\nenabled = true\nburst_s = 60\n[rate_limit.address]\nread = 60\nwrite = 120\n"
PROXIES = '[server]\ntrusted_proxies = ["127.0.0.0/8"]\n'


def get(api, headers=None, target=BALANCE):
    return api.request("GET", target, headers=headers or {})


def statuses(api, count, headers=None):
    return [get(api, headers).status for _ in range(count)]


# --- allowances ------------------------------------------------------------------------------------------------------

def exactness(folder, broken=None, per_minute=12_000, seconds=3.0):
    """Eight connections, on all io threads, from one address: together the rate and the burst, within 1 %."""
    config = f"[rate_limit]\nenabled = true\nburst_s = 1\n[rate_limit.address]\nread = {per_minute}\n[rate_limit.account]\nread = 0\n"
    with running(folder, config, broken=broken) as daemon:
        end = time.monotonic() + seconds

        def ask(_):
            api, allowed, sent, first = Api(daemon.address), 0, 0, (time.monotonic(),)
            while time.monotonic() < end:
                asked = time.monotonic()
                allowed += get(api).status == 200
                sent += 1
                first = first if len(first) == 2 else (asked, time.monotonic())
            return allowed, sent, first, (asked, time.monotonic())

        results = in_threads(8, ask)
        allowed, sent = sum(row[0] for row in results), sum(row[1] for row in results)
        # What the server saw lies between what was sent and what was answered.
        least = max(row[3][0] for row in results) - min(row[2][1] for row in results)
        most = max(row[3][1] for row in results) - min(row[2][0] for row in results)
        wanted = [per_minute / 60 * (took + 1) for took in (least, most)]
        print(f"{sent} requests in {most:.3f} s, {allowed} allowed, {wanted[0]:.1f} to {wanted[1]:.1f} wanted")
        assert sent > wanted[1] * 1.5, "the test was too slow to be limited"
        assert wanted[0] * 0.99 - 1 <= allowed <= wanted[1] * 1.01 + 1


def test_allowances_are_exact_over_threads(tmp_path):
    exactness(tmp_path)


def test_a_server_without_limits_is_noticed(tmp_path):
    must_fail(exactness, tmp_path, broken="without_allowances")


def test_what_a_refusal_says(start_server):
    api = Api(start_server(TIGHT).address)
    assert statuses(api, 60) == [200] * 60
    reply = expect(get(api), 429, error="rate_limited")
    assert reply.header("retry-after") == "1"
    assert reply.header("ratelimit-policy") == '"address-read";q=60;w=60'
    assert reply.header("ratelimit") == '"address-read";r=0;t=1'
    time.sleep(1.1)
    expect(get(api), 200)
    expect(get(api), 429)


def test_no_class_takes_from_another(start_server):
    """Reads are used up: orders, callbacks, probes and metrics go on."""
    api = Api(start_server(TIGHT).address)
    statuses(api, 70)
    expect(get(api), 429)
    expect(get(api, target="/api/no_such_path"), 429)
    for _ in range(40):
        order_id = api.place()
        expect(api.callback(order_id), 200, msg="Recharge succeeded")
    for _ in range(100):
        expect(api.get("/livez"), 200)
        expect(api.get("/readyz"), 200)
        expect(api.get("/metrics"), 200)
    samples = api.metrics()["recharge_rate_limited_total"]
    assert samples[frozenset({("class", "read"), ("by", "address")})] >= 11


def test_an_account_has_its_own(start_server):
    api = Api(start_server("[rate_limit]\nenabled = true\nburst_s = 60\n[rate_limit.account]\nwrite = 5\n").address)
    account, other = new_account(), new_account()
    for _ in range(5):
        api.place(account)
    body = {"account": account, "amount": "1.00"}
    reply = expect(api.post("/api/place_order", body), 429, error="rate_limited")
    assert reply.header("retry-after") == "12" and '"account-write";q=5' in reply.header("ratelimit-policy")
    api.place(other)
    expect(get(api, target=f"/api/check_balance?account={account}"), 200)


def test_limits_are_reloaded(start_server):
    daemon = start_server(TIGHT)
    api = Api(daemon.address)
    statuses(api, 61)
    expect(get(api), 429)
    text = daemon.config_file.read_text()
    daemon.config_file.write_text(text.replace("enabled = true", "enabled = false"))
    daemon.signal(signal.SIGHUP)
    eventually(lambda: get(api).status == 200, within=1.0)
    daemon.config_file.write_text(text.replace("read = 60", "read = 1"))
    daemon.signal(signal.SIGHUP)
    eventually(lambda: get(api).status == 429, within=1.0)


def test_off_by_default_on_loopback(api):
    assert set(statuses(api, 2000)) == {200}


# --- who the client is -----------------------------------------------------------------------------------------------

def lies(count, seed=5):
    rng = random.Random(seed)
    pieces = ["127.0.0.1", "10.1.1.1", "unknown", "::1", "", "1.2.3.4:5", "[::1]:80", "999.9.9.9", "'", "a", "8.8.8.8"]
    for number in range(count):
        yield ", ".join([f"203.0.{number // 250 % 250}.{number % 250}"] + rng.sample(pieces, rng.randrange(4)))


def spoofed(folder, broken=None, count=10_000, proxies=PROXIES):
    """One client behind a trusted proxy that writes its address at the right; what the client wrote is to the left."""
    with running(folder, proxies + TIGHT, broken=broken) as daemon:
        begin = time.monotonic()

        def ask(index):
            api = Api(daemon.address)
            return sum(get(api, {"X-Forwarded-For": f"{lie}, 198.51.100.9"}).status == 200
                       for lie in lies(count // 4, seed=index))

        allowed = sum(in_threads(4, ask))
        print(f"{count} spoofed: {allowed} allowed")
        assert 60 <= allowed <= 62 + (time.monotonic() - begin)
        api = Api(daemon.address)
        expect(get(api, {"X-Forwarded-For": "198.51.100.10"}), 200)  # another client
        expect(get(api, {"X-Forwarded-For": "8.8.8.8, 198.51.100.9, 127.0.0.1"}), 429)


def test_spoofed_headers_do_not_help(tmp_path):
    spoofed(tmp_path)


def test_a_server_that_believes_the_leftmost_is_noticed(tmp_path):
    must_fail(spoofed, tmp_path, broken="believing_the_leftmost", count=400)


def test_a_stranger_s_header_is_not_read(start_server):
    api = Api(start_server('[server]\ntrusted_proxies = ["192.0.2.1"]\n' + TIGHT).address)
    allowed = sum(get(api, {"X-Forwarded-For": lie}).status == 200 for lie in lies(300))
    assert 60 <= allowed <= 63


def test_ipv6_counts_by_its_first_64_bits(start_server):
    api = Api(start_server(PROXIES + TIGHT).address)
    allowed = sum(get(api, {"X-Forwarded-For": f"2001:db8::{number:x}"}).status == 200 for number in range(1, 200))
    assert 60 <= allowed <= 63
    expect(get(api, {"X-Forwarded-For": "2001:db8:0:1::1"}), 200)


def proxy_header(source="198.51.100.9", command=1, version=2):
    body = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 4711, 80)
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([version << 4 | command, 0x11]) + struct.pack(">H", len(body)) + body


def raw(address, data, pieces=1):
    with socket.create_connection(address, timeout=10) as connection:
        step = -(-len(data) // pieces)
        for at in range(0, len(data), step):
            connection.sendall(data[at:at + step])
            if pieces > 1:
                time.sleep(0.01)
        received = b""
        while part := connection.recv(65536):
            received += part
        return received


def test_the_proxy_protocol(start_server):
    daemon = start_server(PROXIES + "proxy_protocol = true\n" + TIGHT)
    request = f"GET {BALANCE} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    for _ in range(60):
        assert raw(daemon.address, proxy_header() + request).startswith(b"HTTP/1.1 200")
    eventually(lambda: raw(daemon.address, proxy_header() + request).startswith(b"HTTP/1.1 429"))
    assert raw(daemon.address, proxy_header("198.51.100.10") + request, pieces=30).startswith(b"HTTP/1.1 200")
    assert raw(daemon.address, proxy_header(command=0) + request).startswith(b"HTTP/1.1 200")
    for bad in (request, proxy_header(version=1) + request, proxy_header()[1:] + request, b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n" + request):
        assert raw(daemon.address, bad).startswith(b"HTTP/1.1 400"), bad
    plain = start_server()  # where it is not switched on, such a header is no request
    assert raw(plain.address, proxy_header() + request).startswith(b"HTTP/1.1 400")


def test_callbacks_from_listed_addresses_alone(start_server):
    daemon = start_server('allow_from = ["192.0.2.0/24", "2001:db8::/32"]\n' + PROXIES
                          + '[gateway.shop]\nkind = "native"\nsecrets = [{id = "a", secret = "shop secret"}]\nallow_from = ["198.51.100.7"]\n')
    api = Api(daemon.address)
    order_id = api.place(gateway="native")

    def callback(source, path="/api/payment_callback", secret=api.secret, order=order_id):
        body = signed_body(callback_fields(order, new_transaction()), secret)
        return api.post(path, body, {"X-Forwarded-For": source} if source else {})

    for stranger in (None, "192.0.3.1", "198.51.100.7", "192.0.2.1, 192.0.3.1"):
        expect(callback(stranger), 403, error="forbidden_address")
    api.assert_untouched(order_id)
    expect(callback("192.0.3.1, 192.0.2.200"), 200, msg="Recharge succeeded")
    shop = api.place(gateway="shop")
    expect(callback("192.0.2.1", "/api/callbacks/shop", "shop secret", shop), 403, error="forbidden_address")
    expect(callback("198.51.100.7", "/api/callbacks/shop", "shop secret", shop), 200, msg="Recharge succeeded")


# --- of accounts -----------------------------------------------------------------------------------------------------

def test_orders_that_wait_and_amounts_of_a_day(start_server):
    daemon = start_server('[orders]\nmax_pending_per_account = 3\nmax_amount_per_account_per_day = "100.00"\n')
    api, account, other = Api(daemon.address), new_account(), new_account()

    def place(amount, who=account, **headers):
        return api.post("/api/place_order", {"account": who, "amount": amount}, headers)

    key = {"Idempotency-Key": "first"}
    first = expect(place("10.00", **key), 200)["order_id"]
    second, third = api.place(account, "10.00"), api.place(account, "10.00")
    for _ in range(3):
        expect(place("1.00"), 409, error="too_many_pending_orders")
    assert expect(place("10.00", **key), 200)["order_id"] == first  # a repeat is answered all the same
    expect(place("1.00", other), 200)
    expect(api.callback(first, amount="10.00"), 200)
    expect(api.close_order(second), 200)
    expect(place("80.01"), 409, error="daily_amount_exceeded")  # 20.00 count: one is closed
    fourth = expect(place("80.00"), 200)["order_id"]
    expect(place("0.01"), 409, error="daily_amount_exceeded")
    daemon.restart(kill=True)  # what counts are the orders themselves
    api = Api(daemon.address)
    expect(place("0.01"), 409, error="daily_amount_exceeded")
    expect(api.callback(fourth, amount="80.00"), 200)
    expect(place("0.01"), 409, error="daily_amount_exceeded")
    assert api.order(third)["status"] == "pending"
    text = daemon.config_file.read_text()
    daemon.config_file.write_text(text.replace("100.00", "200.00"))
    daemon.signal(signal.SIGHUP)
    eventually(lambda: place("1.00").status == 200, within=1.0)


def test_fifty_at_once_do_not_pass_the_limit(start_server):
    daemon = start_server("[orders]\nmax_pending_per_account = 5\n")
    account = new_account()
    replies = in_threads(16, lambda _: [Api(daemon.address).post("/api/place_order", {"account": account, "amount": "1.00"}).status
                                        for _ in range(4)])
    assert sorted(status for several in replies for status in several) == [200] * 5 + [409] * 59


# --- connections -----------------------------------------------------------------------------------------------------

def test_connections_of_an_address(start_server):
    daemon = start_server("[server]\nmax_connections_per_address = 5\n")
    held = [socket.create_connection(daemon.address, timeout=5) for _ in range(5)]
    for connection in held:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    with socket.create_connection(daemon.address, timeout=5) as one_more:
        one_more.settimeout(5)
        try:
            assert one_more.recv(4096) == b""
        except ConnectionResetError:
            pass
    held.pop().close()
    request = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    def gets_in():
        try:
            return raw(daemon.address, request).startswith(b"HTTP/1.1 200")
        except ConnectionError:
            return False

    eventually(gets_in)
    for connection in held:
        connection.close()


def test_probes_and_metrics_have_a_reserve(start_server):
    daemon = start_server("[server]\nmax_connections = 10\n")
    held = [socket.create_connection(daemon.address, timeout=5) for _ in range(10)]
    for connection in held:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    for target in ("/livez", "/readyz", "/metrics"):
        assert raw(daemon.address, f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()).startswith(b"HTTP/1.1 200")
    reply = raw(daemon.address, f"GET {BALANCE} HTTP/1.1\r\nHost: a\r\n\r\n".encode())  # and it is closed
    assert reply.startswith(b"HTTP/1.1 503") and b"Retry-After" in reply and b"overloaded" in reply
    for connection in held:
        connection.close()
    eventually(lambda: Api(daemon.address).get(BALANCE).status == 200)
