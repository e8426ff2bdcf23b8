"""`python -m docs` writes the pages that follow from the code and the presets: CONFIG.md, METRICS.md and providers/."""

from __future__ import annotations

from pathlib import Path

from docs.config_page import config_page
from docs.metrics_page import metrics_page
from docs.provider_pages import index_page, provider_page
from proxy.config.presets import presets

FOLDER = Path(__file__).parent


def pages() -> dict[Path, str]:
    """All generated pages, by their paths below this folder."""
    known = presets()
    return {
        Path("CONFIG.md"): config_page(),
        Path("METRICS.md"): metrics_page(),
        Path("providers/README.md"): index_page(known),
        **{Path(f"providers/{name}.md"): provider_page(preset) for name, preset in known.items()},
    }


def write() -> None:
    """Write every page, and remove those of presets that are gone."""
    written = pages()
    (FOLDER / "providers").mkdir(exist_ok=True)
    for page in (FOLDER / "providers").glob("*.md"):
        if page.relative_to(FOLDER) not in written:
            page.unlink()
    for path, text in written.items():
        (FOLDER / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
