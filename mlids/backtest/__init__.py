"""What other settings would have told of what is stored: `comparing.backtest` is the way in.

Evidence is taken as far as it goes, and the report says how far that was: logs and recordings that
are still there are read again (`sources`), stored logins are counted again (`signs`), everything
else is judged by what was recorded of it (`recorded`).
"""

from mlids.backtest.comparing import MOST_BYTES, backtest
from mlids.backtest.progress import Progress
from mlids.backtest.report import BacktestReport
from mlids.backtest.telling import document

__all__ = ["MOST_BYTES", "BacktestReport", "Progress", "backtest", "document"]
