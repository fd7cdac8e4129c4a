"""An index in the order in which evidence is listed: pages of it no longer sort everything."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the index; what is there stays as it is."""
    op.create_index(
        "ix_captures_newest",
        "captures",
        [sa.text("period_date DESC"), "segment", "domain_name", sa.text("sequence_no DESC")],
    )
