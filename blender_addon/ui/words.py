"""Figures as people read them: clocks and days; costs are ``core.costs``'."""

from datetime import datetime

from ..core.language import said


def clock(seconds: float) -> str:
    """Seconds as "0:42" or "1:02:05"."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def moment(created: float) -> list[str]:
    """When it was: the day, unless it was today, and the time."""
    then, now = datetime.fromtimestamp(created), datetime.now()
    days = (now.date() - then.date()).days
    day = {0: [], 1: [said("yesterday")]}.get(days, [f"{then:%Y-%m-%d}"])
    return [*day, f"{then:%H:%M}"]
