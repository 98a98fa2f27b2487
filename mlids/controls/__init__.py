"""Controls of standards, and what the stored events show of them: the judging behind a report."""
