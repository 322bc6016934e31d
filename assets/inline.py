"""Pictures inside a materialization's metadata, as far as they are small enough for one row of Dagster's database."""

import base64

import dagster as dg

LARGEST_INLINE = 100_000  # characters: a materialization is one row of Dagster's database


def inline_picture(name: str, png: bytes) -> dg.MarkdownMetadataValue | None:
    """The picture as Dagster's page shows it; none where it is too large for a record that is read as a whole."""
    encoded = base64.b64encode(png).decode()
    if len(encoded) > LARGEST_INLINE:
        return None
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{encoded})")
