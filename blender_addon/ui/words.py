"""Figures as people read them: clocks and days; costs are ``core.costs``'."""

from datetime import datetime

from ..core.language import said


def clock(seconds: float) -> str:
    """Seconds as "0:42" or "1:02:05"."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def day(created: float) -> str:
    """When it was: the time today, else the day."""
    then, now = datetime.fromtimestamp(created), datetime.now()
    if then.date() == now.date():
        return f"{then:%H:%M}"
    if (now.date() - then.date()).days == 1:
        return said("yesterday")
    return f"{then:%Y-%m-%d}"
