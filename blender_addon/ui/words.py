"""Figures as people read them: bytes, seconds, counts, days."""

from datetime import datetime

from bpy.app.translations import pgettext_iface as translated


def size(count: float) -> str:
    """Bytes as "640 MB" or "2.4 GB" (powers of 1000, as shops and system monitors say)."""
    if count < 1e6:
        return f"{max(1, round(count / 1e3))} kB"
    if count < 1e9:
        return f"{round(count / 1e6)} MB"
    return f"{count / 1e9:.1f} GB".replace(".0 ", " ")


def clock(seconds: float) -> str:
    """Seconds as "0:42" or "1:02:05"."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """About how long, as "20 s", "3 min" or "1.5 h"."""
    if seconds < 55:
        return f"{max(1, round(seconds / 5) * 5 if seconds > 10 else round(seconds))} s"
    if seconds < 5400:
        return f"{max(1, int(seconds / 60 + 0.5))} min"
    return f"{seconds / 3600:.1f} h"


def day(created: float) -> str:
    """When it was: the time today, else the day."""
    then, now = datetime.fromtimestamp(created), datetime.now()
    if then.date() == now.date():
        return f"{then:%H:%M}"
    if (now.date() - then.date()).days == 1:
        return translated("yesterday")
    return f"{then:%Y-%m-%d}"
