"""The doctor's page: findings with thumbnails, as one HTML file that needs nothing else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import tensorflow as tf

from keras_transfer.data.faults import below, content_of
from keras_transfer.data.formats.naming import file_of
from keras_transfer.data.inspection.finding import Finding
from keras_transfer.data.kinds import Images

_THUMBNAIL = 112  # pixels
_SHOWN = 40  # findings of a kind on the page
_STYLE = """
.kt-checkup { font: 14px/1.5 system-ui, sans-serif; color: #1d2733; max-width: 980px; margin: 24px auto; }
.kt-checkup h1 { font-size: 22px; margin: 0 0 4px; } .kt-checkup h2 { font-size: 16px; margin: 28px 0 8px; }
.kt-checkup .numbers { display: flex; gap: 12px; margin: 16px 0; flex-wrap: wrap; }
.kt-checkup .numbers div { background: #f3f5f8; border-radius: 8px; padding: 10px 16px; min-width: 110px; }
.kt-checkup .numbers b { display: block; font-size: 22px; }
.kt-checkup .tag { border-radius: 10px; padding: 1px 10px; font-size: 12px; color: #fff; margin-right: 8px; }
.kt-checkup .serious { background: #c0392b; } .kt-checkup .warning { background: #b9770e; }
.kt-checkup .note { background: #5d6d7e; }
.kt-checkup .findings { display: flex; flex-wrap: wrap; gap: 12px; }
.kt-checkup .finding { border: 1px solid #dde3ea; border-radius: 8px; padding: 8px; max-width: 480px; }
.kt-checkup .finding p { margin: 6px 0 0; overflow-wrap: anywhere; }
.kt-checkup .pictures { display: flex; gap: 6px; flex-wrap: wrap; }
.kt-checkup figure { margin: 0; width: 112px; } .kt-checkup figcaption { font-size: 11px; overflow-wrap: anywhere; }
.kt-checkup .gone { width: 112px; height: 112px; background: #f9e5e2; color: #c0392b; display: grid;
  place-items: center; border-radius: 4px; }
.kt-checkup table { border-collapse: collapse; }
.kt-checkup td, .kt-checkup th { padding: 2px 18px 2px 0; text-align: left; line-height: 1.2; }
.kt-checkup .bar { background: #7fb3d5; height: 6px; display: inline-block; border-radius: 2px; }
"""


def page(
    root: Path | None,
    numbers: Mapping[str, int],
    findings: Mapping[tuple[str, str], Sequence[Finding]],
    counts: Mapping[str, Mapping[str, int]],
    sizes: Mapping[str, tuple[float, float, float]],
) -> str:
    """Returns the page of a checkup.

    Args:
        root: folder of the files; None for images from elsewhere.
        numbers: counts of images, by their titles.
        findings: by severity and kind.
        counts: usable images by split and class.
        sizes: smallest, median and largest value, by what they are of.
    """
    where = f" of {escape(str(root))}" if root is not None else ""
    boxes = "".join(f"<div><b>{count:,}</b>{name}</div>" for name, count in numbers.items())
    parts = [
        f"<!doctype html><meta charset='utf-8'><title>Checkup</title><style>{_STYLE}</style>",
        f"<div class='kt-checkup'><h1>Checkup{where}</h1><div class='numbers'>{boxes}</div>",
    ]
    for (severity, kind), of_kind in findings.items():
        cards = "".join(_card(finding, root) for finding in of_kind[:_SHOWN])
        more = f"<p>and {len(of_kind) - _SHOWN} more</p>" if len(of_kind) > _SHOWN else ""
        title = f"<span class='tag {severity}'>{severity}</span>{escape(kind)} ({len(of_kind)})"
        parts.append(f"<h2>{title}</h2><div class='findings'>{cards}</div>{more}")
    if not findings:
        parts.append("<p>Nothing to complain of.</p>")
    return "\n".join([*parts, _counts(counts), _sizes(sizes), "</div>"])


def _counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    most = max((count for by_class in counts.values() for count in by_class.values()), default=1)
    names = list(dict.fromkeys(name for by_class in counts.values() for name in by_class))
    head = "".join(f"<th>{split}</th>" for split in counts)
    bars = {name: "".join(_bar(by_class.get(name, 0), most) for by_class in counts.values()) for name in names[:_SHOWN]}
    rows = "".join(f"<tr><td>{escape(name)}</td>{cells}</tr>" for name, cells in bars.items())
    more = f"<p>and {len(names) - _SHOWN} more classes</p>" if len(names) > _SHOWN else ""
    return f"<h2>Classes</h2><table><tr><th></th>{head}</tr>{rows}</table>{more}"


def _bar(count: int, most: int) -> str:
    return f"<td>{count:,}<br><span class='bar' style='width:{160 * count // most}px'></span></td>"


def _sizes(sizes: Mapping[str, tuple[float, float, float]]) -> str:
    rows = "".join(
        f"<tr><td>{name}</td><td>median {middle:.4g}</td><td>{low:.4g} to {high:.4g}</td></tr>"
        for name, (low, middle, high) in sizes.items()
    )
    return f"<h2>Sizes</h2><table>{rows}</table>" if rows else ""


def _card(finding: Finding, root: Path | None) -> str:
    pictures = "".join(
        f"<figure>{_thumbnail(path)}<figcaption>{escape(below(path, root))}</figcaption></figure>"
        for path in finding.paths[:4]
    )
    return f"<div class='finding'><div class='pictures'>{pictures}</div><p>{escape(finding.message)}</p></div>"


def _thumbnail(path: Path) -> str:
    if not file_of(path).is_file():  # reading a pipe would wait for ever
        return "<div class='gone'>no picture</div>"
    try:
        picture = Images((_THUMBNAIL, _THUMBNAIL), "pad").decode(content_of(path))
    except (tf.errors.OpError, ValueError, OSError):  # ValueError: a name that is not UTF-8
        return "<div class='gone'>no picture</div>"
    encoded = b64encode(tf.io.encode_jpeg(picture, quality=80).numpy()).decode()
    return f"<img width='{_THUMBNAIL}' height='{_THUMBNAIL}' src='data:image/jpeg;base64,{encoded}'>"
