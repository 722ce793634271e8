"""The database function that creates new notes and their matches in one call."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

# A frozen copy: the current text, with its explanation, is domain/notes/create_notes.sql.
_CREATE = """
CREATE FUNCTION service.create_notes(expected int8, given jsonb, owners text[], models int2[],
    vectors halfvec[], digests text[], pictures bytea[]) RETURNS boolean LANGUAGE plpgsql
    SET enable_seqscan = off AS $$
DECLARE
    fits boolean;
    made int8;
BEGIN
    IF expected IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(hashtext('uninote.gallery'));
        SELECT revision = expected AND NOT EXISTS (
            SELECT FROM service.notes WHERE id = ANY(ARRAY(
                SELECT id FROM jsonb_to_recordset(given->'notes') AS note (id text)))
        ) AND NOT EXISTS (
            SELECT FROM service.forgotten WHERE id_hash = ANY(ARRAY(
                SELECT hash FROM jsonb_to_recordset(given->'notes') AS note (hash text)))
        ) AND NOT EXISTS (
            SELECT FROM service.requests WHERE key = ANY(ARRAY(
                SELECT key FROM jsonb_to_recordset(given->'requests') AS request (key text)))
        ) INTO fits FROM service.gallery_state;
        IF NOT fits THEN
            RETURN false;
        END IF;
        IF given->'requests' <> '[]' THEN
            INSERT INTO service.requests (key, digest) SELECT key, digest
            FROM jsonb_to_recordset(given->'requests') AS request (key text, digest text) ORDER BY key;
        END IF;
    END IF;
    WITH fresh AS MATERIALIZED (
        SELECT note.* FROM jsonb_to_recordset(given->'notes') AS note (id text, hash text, content_key text,
            payload jsonb, kind text, category text, lang text, time timestamptz, actor text, details jsonb)
    ),
    kept AS (
        INSERT INTO service.notes (id, content_key, payload, kind, category, lang, time)
        SELECT id, content_key, payload, kind, category, lang, time FROM fresh ORDER BY id
        ON CONFLICT DO NOTHING RETURNING id
    ),
    embedded AS (
        INSERT INTO service.vectors (note_id, model_id, content_key, vector, kind, category, time)
        SELECT id, model_id, content_key, vector, kind, category, time
        FROM unnest(owners, models, vectors) AS brought (owner, model_id, vector) JOIN fresh ON id = owner
    ),
    matched AS (
        INSERT INTO service.matches (note_id, sample_id, model_id, category, score, threshold, source)
        SELECT found.*, 'online' FROM jsonb_to_recordset(given->'matches') AS found (note_id text,
            sample_id int8, model_id int2, category text, score float8, threshold float8)
    ),
    sent AS (
        INSERT INTO service.outbox (note_id, deleted) SELECT id, false FROM fresh
        WHERE (SELECT wanted FROM service.outbox_state)
    ),
    logged AS (
        INSERT INTO service.audit (actor, action, subject, details)
        SELECT actor, 'note.create', 'note:' || hash, details FROM fresh
    )
    SELECT count(*) - jsonb_array_length(given->'notes') INTO made FROM kept;
    IF made <> 0 THEN
        RAISE serialization_failure USING MESSAGE = 'the same note is written by several callers; try again';
    END IF;
    IF digests <> '{}' THEN
        INSERT INTO service.pictures (digest, data) SELECT * FROM unnest(digests, pictures)
        ON CONFLICT DO NOTHING;
        INSERT INTO service.note_pictures (note_id, digest) SELECT note_id, digest
        FROM jsonb_to_recordset(given->'shown') AS shown (note_id text, digest text) ON CONFLICT DO NOTHING;
    END IF;
    RETURN true;
END $$
"""


def upgrade() -> None:
    op.execute(_CREATE)


def downgrade() -> None:
    op.execute("DROP FUNCTION service.create_notes")
