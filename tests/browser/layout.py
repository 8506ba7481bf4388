"""What a drawn page looks like: texts that overlap, are cropped or pale, charts without words."""

from __future__ import annotations

from playwright.sync_api import Page

_CHARTS = """() => {
    const problems = [];
    const shown = node => node.checkVisibility({checkOpacity: true, checkVisibilityCSS: true});
    const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const numbers = text => (text.match(/[\\d.]+/g) || []).map(Number);
    const ground = numbers(getComputedStyle(document.querySelector('[data-testid=stApp]'))
        .backgroundColor);
    const contrast = (a, b) => {
        const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
    };
    for (const chart of document.querySelectorAll('[data-testid=stPlotlyChart]')) {
        if (!shown(chart)) continue;
        const label = chart.getAttribute('aria-label') || '';
        const key = [...(chart.closest('[class*=st-key-]')?.classList || [])]
            .find(name => name.startsWith('st-key-'));
        if (label.length < 20) problems.push(`${key}: no text alternative: '${label}'`);
        const frame = chart.getBoundingClientRect();
        const plot = chart.querySelector('.nsewdrag')?.getBoundingClientRect();
        const texts = [...chart.querySelectorAll('.main-svg text')]
            .filter(text => text.textContent.replace(/[\\u2060\\s]/g, '') && shown(text))
            .map(text => ({text, words: text.textContent, box: text.getBoundingClientRect()}))
            .filter(({box}) => box.width > 0);
        const coloured = chart.querySelector('.heatmaplayer > *');
        texts.forEach(({text, words, box}, i) => {
            const within = text.closest('.textpoint') ? plot : frame;
            if (box.left < within.left - 2 || box.right > within.right + 2
                || box.top < within.top - 2 || box.bottom > within.bottom + 2)
                problems.push(`${key}: '${words}' is cropped`);
            const fill = numbers(getComputedStyle(text).fill);
            if (!coloured && contrast(fill, ground) < 4.5)
                problems.push(`${key}: '${words}' has a contrast of ${contrast(fill, ground)}`);
            for (const other of texts.slice(i + 1)) {
                const across = Math.min(box.right, other.box.right)
                    - Math.max(box.left, other.box.left);
                const along = Math.min(box.bottom, other.box.bottom)
                    - Math.max(box.top, other.box.top);
                if (across > 2 && along > 4)
                    problems.push(`${key}: '${words}' overlaps '${other.words}'`);
            }
        });
    }
    return problems;
}"""

_TEXTS = """() => {
    const problems = [];
    const quiet = '[data-testid=stPlotlyChart], [data-testid=stDataFrame], [data-baseweb=select], '
        + 'input, textarea, svg, style, script, [data-testid=stHeader] [aria-hidden=true]';
    const scrolls = node => {
        for (let up = node; up && up.tagName !== 'BODY'; up = up.parentElement) {
            if (['auto', 'scroll'].includes(getComputedStyle(up).overflowX)
                && up.scrollWidth > up.clientWidth + 1
                && up.dataset.testid !== 'stMain') return true;
        }
        return false;
    };
    for (const node of document.querySelectorAll('[data-testid=stApp] *')) {
        const own = [...node.childNodes].some(
            child => child.nodeType === 3 && child.textContent.trim());
        if (!own || node.closest(quiet) || !node.checkVisibility({checkVisibilityCSS: true}))
            continue;
        const box = node.getBoundingClientRect();
        if (box.width <= 2 || box.height <= 2) continue;  // for screen readers
        const words = node.textContent.trim().slice(0, 60);
        const style = getComputedStyle(node);
        const hides = ['hidden', 'clip'].includes(style.overflowX);
        if (hides && node.scrollWidth > node.clientWidth + 1)
            problems.push(`'${words}' is cropped`);
        else if ((box.left < -1 || box.right > innerWidth + 1) && !scrolls(node))
            problems.push(`'${words}' is beyond the edge`);
    }
    return [...new Set(problems)];
}"""

_RESIZED = """() => [...document.querySelectorAll('[data-testid=stPlotlyChart]')]
    .filter(chart => chart.checkVisibility())
    .every(chart => {
        const drawn = chart.querySelector('.main-svg');
        return drawn && Math.abs(drawn.clientWidth - chart.clientWidth) <= 2;
    })"""


def resize(page: Page, width: int, height: int) -> None:
    """Another size of the window, with its charts drawn anew."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_timeout(300)  # the page hears of it by an event of its own
    page.wait_for_function(_RESIZED)


def chart_problems(page: Page) -> list[str]:
    """Texts of charts that overlap, are cropped or pale, and charts that say nothing to who cannot
    see them."""
    return list(page.evaluate(_CHARTS))


def text_problems(page: Page) -> list[str]:
    """Texts outside charts and tables that are cropped, or beyond the window's edge."""
    return list(page.evaluate(_TEXTS))
