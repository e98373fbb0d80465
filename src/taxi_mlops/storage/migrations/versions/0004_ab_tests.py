"""A/B tests of hotspot models"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ab_tests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("running_model", sa.String(), nullable=True),
        sa.Column("champion", sa.String(), nullable=False),
        sa.Column("challenger", sa.String(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False),
        sa.Column("champion_area", sa.Float(), nullable=False),
        sa.Column("challenger_area", sa.Float(), nullable=False),
        sa.Column("max_errors", sa.Float(), nullable=False),
        sa.Column("max_slowdown", sa.Float(), nullable=False),
        sa.Column("max_noise", sa.Float(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("guard_rail", sa.String(), nullable=True),
        sa.Column("shadow_requests", sa.BigInteger(), nullable=False),
        sa.Column("shadow_points", sa.BigInteger(), nullable=False),
        sa.Column("shadow_agreed", sa.BigInteger(), nullable=False),
        sa.Column("shadow_seconds", sa.Float(), nullable=False),
        sa.Column("shadow_champion_seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_tests")),
        sa.UniqueConstraint("running_model", name=op.f("uq_ab_tests_running_model")),
    )
    op.create_table(
        "ab_answers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("test_id", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("challenger", sa.Boolean(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("inside", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["test_id"], ["ab_tests.id"], name=op.f("fk_ab_answers_test_id_ab_tests"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_answers")),
    )
    op.create_index(op.f("ix_ab_answers_test_id_subject"), "ab_answers", ["test_id", "subject"])
    op.create_table(
        "ab_outcomes",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("test_id", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("answer_id", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("challenger", sa.Boolean(), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hit", sa.Boolean(), nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["test_id"], ["ab_tests.id"], name=op.f("fk_ab_outcomes_test_id_ab_tests"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ab_outcomes")),
        sa.UniqueConstraint("test_id", "id", name=op.f("uq_ab_outcomes_test_id_id")),
    )
    op.create_index(op.f("ix_ab_outcomes_test_id_subject"), "ab_outcomes", ["test_id", "subject"])


def downgrade() -> None:
    for table in ("ab_outcomes", "ab_answers", "ab_tests"):
        op.drop_table(table)
