"""Several workloads in one comparison"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

KEYS = {"trials": ["kind", "block"], "figures": ["name"]}


def upgrade() -> None:
    op.create_table(
        "workloads",
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("workload", sa.String(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("eps_metres", sa.Float(), nullable=False),
        sa.Column("min_samples", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["comparisons.run_id"], name=op.f("fk_workloads_run_id_comparisons"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "workload", name=op.f("pk_workloads")),
    )
    for table, rest in KEYS.items():
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("workload", sa.String(), nullable=False, server_default="main"))
        with op.batch_alter_table(table) as batch:
            batch.alter_column("workload", existing_type=sa.String(), server_default=None)
            batch.drop_constraint(op.f(f"pk_{table}"), type_="primary")
            batch.create_primary_key(op.f(f"pk_{table}"), ["run_id", "adapter", "workload", *rest])


def downgrade() -> None:
    for table, rest in KEYS.items():
        op.execute(f"DELETE FROM {table} WHERE workload <> 'main'")  # noqa: S608 - names of our own
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(op.f(f"pk_{table}"), type_="primary")
            batch.create_primary_key(op.f(f"pk_{table}"), ["run_id", "adapter", *rest])
            batch.drop_column("workload")
    op.drop_table("workloads")
