"""An adapter's trials by date"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INDEX = "ix_trials_adapter_finished_at"


def upgrade() -> None:
    op.create_index(INDEX, "trials", ["adapter", "finished_at"])


def downgrade() -> None:
    op.drop_index(INDEX, "trials")
