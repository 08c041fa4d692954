import pytest

from utilitarian_operator.api.price import InvalidPrice, Price, read_price


@pytest.mark.parametrize(
    "text, price",
    [
        pytest.param("0.05", Price(worker=0.05), id="of a worker-hour"),
        pytest.param("cpu=0.03,memory=0.004", Price(cpu=0.03, memory=0.004), id="of what is requested"),
        pytest.param("memory=1, cpu=2", Price(cpu=2, memory=1), id="in the other order"),
        pytest.param("cpu=1", Price(cpu=1), id="of CPU alone"),
    ],
)
def test_a_price_is_read(text: str, price: Price) -> None:
    assert read_price(text, "") == price


@pytest.mark.parametrize(
    "text",
    ["", "much", "-1", "nan", "inf", "1_0", "1e9", "9" * 8, "cpu=", "disk=1", "0.05,cpu=1", "1,2", "cpu=1,cpu=2"],
)
def test_what_is_no_price_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(InvalidPrice, match=r"like cpu=0\.03,memory=0\.004"):
        read_price(text, "")


@pytest.mark.parametrize("currency", ["", "EUR", "€", "credits"])
def test_a_currency_is_a_code_or_a_sign(currency: str) -> None:
    assert read_price("1", currency).currency == currency


@pytest.mark.parametrize("currency", ["US dollar", "EUR\n", '"', "{{", "x" * 9, "a=b"])
def test_what_is_no_currency_is_refused(currency: str) -> None:
    with pytest.raises(InvalidPrice, match="write it like EUR, or as one of"):
        read_price("1", currency)


def test_a_worker_costs_what_it_requests() -> None:
    price = read_price("cpu=0.03,memory=0.004", "EUR")
    assert price.of({"cpu": "200m", "memory": "512Mi"}) == pytest.approx(0.2 * 0.03 + 0.5 * 0.004)
    assert read_price("0.05", "").of({"cpu": "2"}) == 0.05
    assert price.shown(1234.5) == "1,234.50 EUR"
    assert read_price("1", "").shown(2) == "2.00"
