import msgspec

from mlids.backtest.report import BacktestReport


def test_json_carries_the_report_and_gives_it_back(house):
    house.store(house.attacked())
    report = house.backtest("brute_force_threshold=8")
    again = msgspec.json.decode(msgspec.json.encode(report), type=BacktestReport)
    assert again == report and again.gone_in_all == 3
