--
-- PostgreSQL database dump
--


-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: procrastinate; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA procrastinate;


--
-- Name: service; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA service;


--
-- Name: vector; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;


--
-- Name: EXTENSION vector; Type: COMMENT; Schema: -; Owner: -
--

COMMENT ON EXTENSION vector IS 'vector data type and ivfflat and hnsw access methods';


--
-- Name: procrastinate_job_event_type; Type: TYPE; Schema: procrastinate; Owner: -
--

CREATE TYPE procrastinate.procrastinate_job_event_type AS ENUM (
    'deferred',
    'started',
    'deferred_for_retry',
    'failed',
    'succeeded',
    'cancelled',
    'abort_requested',
    'aborted',
    'scheduled',
    'retried'
);


--
-- Name: procrastinate_job_status; Type: TYPE; Schema: procrastinate; Owner: -
--

CREATE TYPE procrastinate.procrastinate_job_status AS ENUM (
    'todo',
    'doing',
    'succeeded',
    'failed',
    'cancelled',
    'aborting',
    'aborted'
);


--
-- Name: procrastinate_job_to_defer_v1; Type: TYPE; Schema: procrastinate; Owner: -
--

CREATE TYPE procrastinate.procrastinate_job_to_defer_v1 AS (
	queue_name character varying,
	task_name character varying,
	priority integer,
	lock text,
	queueing_lock text,
	args jsonb,
	scheduled_at timestamp with time zone
);


--
-- Name: procrastinate_cancel_job_v1(bigint, boolean, boolean); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_cancel_job_v1(job_id bigint, abort boolean, delete_job boolean) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status = 'todo'
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        IF abort THEN
            UPDATE procrastinate_jobs
            SET abort_requested = true,
                status = CASE status
                    WHEN 'todo' THEN 'cancelled'::procrastinate_job_status ELSE status
                END
            WHERE id = job_id AND status IN ('todo', 'doing')
            RETURNING id INTO _job_id;
        ELSE
            UPDATE procrastinate_jobs
            SET status = 'cancelled'::procrastinate_job_status
            WHERE id = job_id AND status = 'todo'
            RETURNING id INTO _job_id;
        END IF;
    END IF;
    RETURN _job_id;
END;
$$;


--
-- Name: procrastinate_defer_jobs_v1(procrastinate.procrastinate_job_to_defer_v1[]); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_defer_jobs_v1(jobs procrastinate.procrastinate_job_to_defer_v1[]) RETURNS bigint[]
    LANGUAGE plpgsql
    AS $$
DECLARE
    job_ids bigint[];
BEGIN
    WITH inserted_jobs AS (
        INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock, queueing_lock, args, scheduled_at)
        SELECT (job).queue_name,
               (job).task_name,
               (job).priority,
               (job).lock,
               (job).queueing_lock,
               (job).args,
               (job).scheduled_at
        FROM unnest(jobs) AS job
        RETURNING id
    )
    SELECT array_agg(id) FROM inserted_jobs INTO job_ids;

    RETURN job_ids;
END;
$$;


--
-- Name: procrastinate_defer_periodic_job_v2(character varying, character varying, character varying, character varying, integer, character varying, bigint, jsonb); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_defer_periodic_job_v2(_queue_name character varying, _lock character varying, _queueing_lock character varying, _task_name character varying, _priority integer, _periodic_id character varying, _defer_timestamp bigint, _args jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
	_job_id bigint;
	_defer_id bigint;
BEGIN
    INSERT
        INTO procrastinate_periodic_defers (task_name, periodic_id, defer_timestamp)
        VALUES (_task_name, _periodic_id, _defer_timestamp)
        ON CONFLICT DO NOTHING
        RETURNING id into _defer_id;

    IF _defer_id IS NULL THEN
        RETURN NULL;
    END IF;

    UPDATE procrastinate_periodic_defers
        SET job_id = (
            SELECT COALESCE((
                SELECT unnest(procrastinate_defer_jobs_v1(
                    ARRAY[
                        ROW(
                            _queue_name,
                            _task_name,
                            _priority,
                            _lock,
                            _queueing_lock,
                            _args,
                            NULL::timestamptz
                        )
                    ]::procrastinate_job_to_defer_v1[]
                ))
            ), NULL)
        )
        WHERE id = _defer_id
        RETURNING job_id INTO _job_id;

    DELETE
        FROM procrastinate_periodic_defers
        USING (
            SELECT id
            FROM procrastinate_periodic_defers
            WHERE procrastinate_periodic_defers.task_name = _task_name
            AND procrastinate_periodic_defers.periodic_id = _periodic_id
            AND procrastinate_periodic_defers.defer_timestamp < _defer_timestamp
            ORDER BY id
            FOR UPDATE
        ) to_delete
        WHERE procrastinate_periodic_defers.id = to_delete.id;

    RETURN _job_id;
END;
$$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: procrastinate_jobs; Type: TABLE; Schema: procrastinate; Owner: -
--

CREATE TABLE procrastinate.procrastinate_jobs (
    id bigint NOT NULL,
    queue_name character varying(128) NOT NULL,
    task_name character varying(128) NOT NULL,
    priority integer DEFAULT 0 NOT NULL,
    lock text,
    queueing_lock text,
    args jsonb DEFAULT '{}'::jsonb NOT NULL,
    status procrastinate.procrastinate_job_status DEFAULT 'todo'::procrastinate.procrastinate_job_status NOT NULL,
    scheduled_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    abort_requested boolean DEFAULT false NOT NULL,
    worker_id bigint,
    CONSTRAINT check_not_todo_abort_requested CHECK ((NOT ((status = 'todo'::procrastinate.procrastinate_job_status) AND (abort_requested = true))))
);


--
-- Name: procrastinate_fetch_job_v2(character varying[], bigint); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_fetch_job_v2(target_queue_names character varying[], p_worker_id bigint) RETURNS procrastinate.procrastinate_jobs
    LANGUAGE plpgsql
    AS $$
DECLARE
	found_jobs procrastinate_jobs;
BEGIN
    WITH candidate AS (
        SELECT jobs.*
            FROM procrastinate_jobs AS jobs
            WHERE
                -- reject the job if its lock has earlier or higher priority jobs
                NOT EXISTS (
                    SELECT 1
                        FROM procrastinate_jobs AS other_jobs
                        WHERE
                            jobs.lock IS NOT NULL
                            AND other_jobs.lock = jobs.lock
                            AND (
                                -- job with same lock is already running
                                other_jobs.status = 'doing'
                                OR
                                -- job with same lock is waiting and has higher priority (or same priority but was queued first)
                                (
                                    other_jobs.status = 'todo'
                                    AND (
                                        other_jobs.priority > jobs.priority
                                        OR (
                                        other_jobs.priority = jobs.priority
                                        AND other_jobs.id < jobs.id
                                        )
                                    )
                                )
                            )
                )
                AND jobs.status = 'todo'
                AND (target_queue_names IS NULL OR jobs.queue_name = ANY( target_queue_names ))
                AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
            ORDER BY jobs.priority DESC, jobs.id ASC LIMIT 1
            FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE procrastinate_jobs
        SET status = 'doing', worker_id = p_worker_id
        FROM candidate
        WHERE procrastinate_jobs.id = candidate.id
        RETURNING procrastinate_jobs.* INTO found_jobs;

 RETURN found_jobs;
END;
$$;


--
-- Name: procrastinate_finish_job_v1(bigint, procrastinate.procrastinate_job_status, boolean); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_finish_job_v1(job_id bigint, end_status procrastinate.procrastinate_job_status, delete_job boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
BEGIN
    IF end_status NOT IN ('succeeded', 'failed', 'aborted') THEN
        RAISE 'End status should be either "succeeded", "failed" or "aborted" (job id: %)', job_id;
    END IF;
    IF delete_job THEN
        DELETE FROM procrastinate_jobs
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = end_status,
            abort_requested = false,
            attempts = CASE status
                WHEN 'doing' THEN attempts + 1 ELSE attempts
            END
        WHERE id = job_id AND status IN ('todo', 'doing')
        RETURNING id INTO _job_id;
    END IF;
    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" or "todo" status (job id: %)', job_id;
    END IF;
END;
$$;


--
-- Name: procrastinate_notify_queue_abort_job_v1(); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_notify_queue_abort_job_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'abort_job_requested', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;


--
-- Name: procrastinate_notify_queue_job_inserted_v1(); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_notify_queue_job_inserted_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    payload TEXT;
BEGIN
    SELECT json_build_object('type', 'job_inserted', 'job_id', NEW.id)::text INTO payload;
	PERFORM pg_notify('procrastinate_queue_v1#' || NEW.queue_name, payload);
	PERFORM pg_notify('procrastinate_any_queue_v1', payload);
	RETURN NEW;
END;
$$;


--
-- Name: procrastinate_prune_stalled_workers_v1(double precision); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_prune_stalled_workers_v1(seconds_since_heartbeat double precision) RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    DELETE FROM procrastinate_workers
    WHERE last_heartbeat < NOW() - (seconds_since_heartbeat || 'SECOND')::INTERVAL
    RETURNING procrastinate_workers.id;
END;
$$;


--
-- Name: procrastinate_register_worker_v1(); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_register_worker_v1() RETURNS TABLE(worker_id bigint)
    LANGUAGE plpgsql
    AS $$
BEGIN
    RETURN QUERY
    INSERT INTO procrastinate_workers DEFAULT VALUES
    RETURNING procrastinate_workers.id;
END;
$$;


--
-- Name: procrastinate_retry_job_v1(bigint, timestamp with time zone, integer, character varying, character varying); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_retry_job_v1(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
BEGIN
    SELECT abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status = 'doing'
    FOR UPDATE
    INTO _abort_requested;
    IF _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or not in "doing" status (job id: %)', job_id;
    END IF;
END;
$$;


--
-- Name: procrastinate_retry_job_v2(bigint, timestamp with time zone, integer, character varying, character varying); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_retry_job_v2(job_id bigint, retry_at timestamp with time zone, new_priority integer, new_queue_name character varying, new_lock character varying) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    _job_id bigint;
    _abort_requested boolean;
    _current_status procrastinate_job_status;
BEGIN
    SELECT status, abort_requested FROM procrastinate_jobs
    WHERE id = job_id AND status IN ('doing', 'failed')
    FOR UPDATE
    INTO _current_status, _abort_requested;
    IF _current_status = 'doing' AND _abort_requested THEN
        UPDATE procrastinate_jobs
        SET status = 'failed'::procrastinate_job_status
        WHERE id = job_id AND status = 'doing'
        RETURNING id INTO _job_id;
    ELSE
        UPDATE procrastinate_jobs
        SET status = 'todo'::procrastinate_job_status,
            attempts = attempts + 1,
            scheduled_at = retry_at,
            priority = COALESCE(new_priority, priority),
            queue_name = COALESCE(new_queue_name, queue_name),
            lock = COALESCE(new_lock, lock)
        WHERE id = job_id AND status IN ('doing', 'failed')
        RETURNING id INTO _job_id;
    END IF;

    IF _job_id IS NULL THEN
        RAISE 'Job was not found or has an invalid status to retry (job id: %)', job_id;
    END IF;

END;
$$;


--
-- Name: procrastinate_trigger_abort_requested_events_procedure_v1(); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_trigger_abort_requested_events_procedure_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'abort_requested'::procrastinate_job_event_type);
    RETURN NEW;
END;
$$;


--
-- Name: procrastinate_trigger_function_scheduled_events_v1(); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_trigger_function_scheduled_events_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type, at)
        VALUES (NEW.id, 'scheduled'::procrastinate_job_event_type, NEW.scheduled_at);

	RETURN NEW;
END;
$$;


--
-- Name: procrastinate_trigger_function_status_events_insert_v1(); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_trigger_function_status_events_insert_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO procrastinate_events(job_id, type)
        VALUES (NEW.id, 'deferred'::procrastinate_job_event_type);
	RETURN NEW;
END;
$$;


--
-- Name: procrastinate_trigger_function_status_events_update_v1(); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_trigger_function_status_events_update_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    WITH t AS (
        SELECT CASE
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND NEW.status = 'doing'::procrastinate_job_status
                THEN 'started'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'deferred_for_retry'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'failed'::procrastinate_job_status
                THEN 'failed'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'succeeded'::procrastinate_job_status
                THEN 'succeeded'::procrastinate_job_event_type
            WHEN OLD.status = 'todo'::procrastinate_job_status
                AND (
                    NEW.status = 'cancelled'::procrastinate_job_status
                    OR NEW.status = 'failed'::procrastinate_job_status
                    OR NEW.status = 'succeeded'::procrastinate_job_status
                )
                THEN 'cancelled'::procrastinate_job_event_type
            WHEN OLD.status = 'doing'::procrastinate_job_status
                AND NEW.status = 'aborted'::procrastinate_job_status
                THEN 'aborted'::procrastinate_job_event_type
            WHEN OLD.status = 'failed'::procrastinate_job_status
                AND NEW.status = 'todo'::procrastinate_job_status
                THEN 'retried'::procrastinate_job_event_type
            ELSE NULL
        END as event_type
    )
    INSERT INTO procrastinate_events(job_id, type)
        SELECT NEW.id, t.event_type
        FROM t
        WHERE t.event_type IS NOT NULL;
	RETURN NEW;
END;
$$;


--
-- Name: procrastinate_unlink_periodic_defers_v1(); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_unlink_periodic_defers_v1() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_periodic_defers
    SET job_id = NULL
    WHERE job_id = OLD.id;
    RETURN OLD;
END;
$$;


--
-- Name: procrastinate_unregister_worker_v1(bigint); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_unregister_worker_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    DELETE FROM procrastinate_workers
    WHERE id = worker_id;
END;
$$;


--
-- Name: procrastinate_update_heartbeat_v1(bigint); Type: FUNCTION; Schema: procrastinate; Owner: -
--

CREATE FUNCTION procrastinate.procrastinate_update_heartbeat_v1(worker_id bigint) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE procrastinate_workers
    SET last_heartbeat = NOW()
    WHERE id = worker_id;
END;
$$;


--
-- Name: create_notes(bigint, jsonb, text[], smallint[], public.halfvec[], text[], bytea[]); Type: FUNCTION; Schema: service; Owner: -
--

CREATE FUNCTION service.create_notes(expected bigint, given jsonb, owners text[], models smallint[], vectors public.halfvec[], digests text[], pictures bytea[]) RETURNS boolean
    LANGUAGE plpgsql
    SET enable_seqscan TO 'off'
    AS $$
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
END $$;


--
-- Name: refuse_change(); Type: FUNCTION; Schema: service; Owner: -
--

CREATE FUNCTION service.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$BEGIN RAISE EXCEPTION 'the audit log is append-only'; END$$;


--
-- Name: procrastinate_events; Type: TABLE; Schema: procrastinate; Owner: -
--

CREATE TABLE procrastinate.procrastinate_events (
    id bigint NOT NULL,
    job_id bigint NOT NULL,
    type procrastinate.procrastinate_job_event_type,
    at timestamp with time zone DEFAULT now()
);


--
-- Name: procrastinate_events_id_seq; Type: SEQUENCE; Schema: procrastinate; Owner: -
--

CREATE SEQUENCE procrastinate.procrastinate_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: procrastinate_events_id_seq; Type: SEQUENCE OWNED BY; Schema: procrastinate; Owner: -
--

ALTER SEQUENCE procrastinate.procrastinate_events_id_seq OWNED BY procrastinate.procrastinate_events.id;


--
-- Name: procrastinate_jobs_id_seq; Type: SEQUENCE; Schema: procrastinate; Owner: -
--

CREATE SEQUENCE procrastinate.procrastinate_jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: procrastinate_jobs_id_seq; Type: SEQUENCE OWNED BY; Schema: procrastinate; Owner: -
--

ALTER SEQUENCE procrastinate.procrastinate_jobs_id_seq OWNED BY procrastinate.procrastinate_jobs.id;


--
-- Name: procrastinate_periodic_defers; Type: TABLE; Schema: procrastinate; Owner: -
--

CREATE TABLE procrastinate.procrastinate_periodic_defers (
    id bigint NOT NULL,
    task_name character varying(128) NOT NULL,
    defer_timestamp bigint,
    job_id bigint,
    periodic_id character varying(128) DEFAULT ''::character varying NOT NULL
);


--
-- Name: procrastinate_periodic_defers_id_seq; Type: SEQUENCE; Schema: procrastinate; Owner: -
--

CREATE SEQUENCE procrastinate.procrastinate_periodic_defers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: procrastinate_periodic_defers_id_seq; Type: SEQUENCE OWNED BY; Schema: procrastinate; Owner: -
--

ALTER SEQUENCE procrastinate.procrastinate_periodic_defers_id_seq OWNED BY procrastinate.procrastinate_periodic_defers.id;


--
-- Name: procrastinate_workers; Type: TABLE; Schema: procrastinate; Owner: -
--

CREATE TABLE procrastinate.procrastinate_workers (
    id bigint NOT NULL,
    last_heartbeat timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: procrastinate_workers_id_seq; Type: SEQUENCE; Schema: procrastinate; Owner: -
--

ALTER TABLE procrastinate.procrastinate_workers ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME procrastinate.procrastinate_workers_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: alembic_version; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: api_keys; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.api_keys (
    prefix character varying(16) NOT NULL,
    secret_hash bytea NOT NULL,
    name character varying(256) NOT NULL,
    role character varying(256) NOT NULL,
    actor character varying(256) NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    revoked timestamp with time zone,
    CONSTRAINT ck_api_keys_role CHECK (((role)::text = ANY ((ARRAY['read'::character varying, 'ingest'::character varying, 'operate'::character varying, 'admin'::character varying])::text[])))
);


--
-- Name: audit; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.audit (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    actor character varying(256) NOT NULL,
    action character varying(256) NOT NULL,
    subject character varying(512) NOT NULL COLLATE pg_catalog."C",
    details jsonb NOT NULL
);


--
-- Name: audit_id_seq; Type: SEQUENCE; Schema: service; Owner: -
--

ALTER TABLE service.audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME service.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: categories; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.categories (
    name character varying(256) NOT NULL,
    description text NOT NULL,
    enabled boolean NOT NULL,
    disabled_until timestamp with time zone,
    sampling double precision NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_categories_sampling CHECK (((sampling >= (0)::double precision) AND (sampling <= (1)::double precision)))
);


--
-- Name: forgotten; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.forgotten (
    id_hash character varying(64) NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: gallery_state; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.gallery_state (
    id smallint NOT NULL,
    revision bigint NOT NULL,
    CONSTRAINT ck_gallery_state_single CHECK ((id = 1))
);


--
-- Name: job_hits; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.job_hits (
    job_id bigint NOT NULL,
    note_id character varying(512) NOT NULL COLLATE pg_catalog."C",
    sample_id bigint NOT NULL,
    score double precision NOT NULL
);


--
-- Name: jobs; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.jobs (
    id bigint NOT NULL,
    state character varying(256) NOT NULL,
    cancel_requested boolean NOT NULL,
    params jsonb NOT NULL,
    model_id smallint NOT NULL,
    cursor character varying(512) NOT NULL COLLATE pg_catalog."C",
    done bigint NOT NULL,
    total bigint NOT NULL,
    hits bigint NOT NULL,
    error text NOT NULL,
    actor character varying(256) NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    started timestamp with time zone,
    finished timestamp with time zone,
    CONSTRAINT ck_jobs_state CHECK (((state)::text = ANY ((ARRAY['queued'::character varying, 'running'::character varying, 'done'::character varying, 'failed'::character varying, 'cancelled'::character varying])::text[])))
);


--
-- Name: jobs_id_seq; Type: SEQUENCE; Schema: service; Owner: -
--

ALTER TABLE service.jobs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME service.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: matches; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.matches (
    id bigint NOT NULL,
    note_id character varying(512) NOT NULL COLLATE pg_catalog."C",
    sample_id bigint NOT NULL,
    model_id smallint NOT NULL,
    category character varying(256) NOT NULL,
    score double precision NOT NULL,
    threshold double precision NOT NULL,
    source character varying(256) NOT NULL,
    verdict character varying(256),
    created timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_matches_source CHECK (((source)::text = ANY ((ARRAY['online'::character varying, 'backcheck'::character varying])::text[])))
);


--
-- Name: matches_id_seq; Type: SEQUENCE; Schema: service; Owner: -
--

ALTER TABLE service.matches ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME service.matches_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: model_versions; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.model_versions (
    id smallint NOT NULL,
    version character varying(256) NOT NULL,
    dim integer NOT NULL,
    state character varying(256) NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    activated timestamp with time zone,
    CONSTRAINT ck_model_versions_dim CHECK (((dim >= 1) AND (dim <= 4000))),
    CONSTRAINT ck_model_versions_state CHECK (((state)::text = ANY ((ARRAY['loading'::character varying, 'shadow'::character varying, 'active'::character varying, 'retired'::character varying])::text[])))
);


--
-- Name: model_versions_id_seq; Type: SEQUENCE; Schema: service; Owner: -
--

ALTER TABLE service.model_versions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME service.model_versions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: note_pictures; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.note_pictures (
    note_id character varying(512) NOT NULL COLLATE pg_catalog."C",
    digest character varying(64) NOT NULL
);


--
-- Name: notes; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.notes (
    id character varying(512) NOT NULL COLLATE pg_catalog."C",
    content_key character varying(64) NOT NULL,
    payload jsonb NOT NULL,
    kind character varying(256) NOT NULL,
    category character varying(256) NOT NULL,
    lang character varying(256) NOT NULL,
    "time" timestamp with time zone,
    created timestamp with time zone DEFAULT now() NOT NULL,
    updated timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: outbox; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.outbox (
    seq bigint NOT NULL,
    note_id character varying(512) NOT NULL COLLATE pg_catalog."C",
    deleted boolean NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: outbox_seq_seq; Type: SEQUENCE; Schema: service; Owner: -
--

ALTER TABLE service.outbox ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME service.outbox_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: outbox_state; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.outbox_state (
    id smallint NOT NULL,
    wanted boolean NOT NULL,
    filled_at bigint,
    CONSTRAINT ck_outbox_state_single CHECK ((id = 1))
);


--
-- Name: pictures; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.pictures (
    digest character varying(64) NOT NULL,
    data bytea NOT NULL
);
ALTER TABLE ONLY service.pictures ALTER COLUMN data SET STORAGE EXTERNAL;


--
-- Name: requests; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.requests (
    key character varying(64) NOT NULL,
    digest character varying(64) NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: reviews; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.reviews (
    id bigint NOT NULL,
    note_id character varying(512) NOT NULL COLLATE pg_catalog."C",
    sample_id bigint NOT NULL,
    content_key character varying(64) NOT NULL,
    category character varying(256) NOT NULL,
    score double precision NOT NULL,
    verdict character varying(256) NOT NULL,
    comment text NOT NULL,
    actor character varying(256) NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_reviews_verdict CHECK (((verdict)::text = ANY ((ARRAY['true_positive'::character varying, 'false_positive'::character varying, 'unsure'::character varying])::text[])))
);


--
-- Name: reviews_id_seq; Type: SEQUENCE; Schema: service; Owner: -
--

ALTER TABLE service.reviews ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME service.reviews_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: sample_pictures; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.sample_pictures (
    sample_id bigint NOT NULL,
    digest character varying(64) NOT NULL
);


--
-- Name: sample_vectors; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.sample_vectors (
    sample_id bigint NOT NULL,
    model_id smallint NOT NULL,
    vector public.halfvec NOT NULL
);


--
-- Name: samples; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.samples (
    id bigint NOT NULL,
    category character varying(256) NOT NULL,
    kind character varying(256) NOT NULL,
    label character varying(256) NOT NULL,
    comment text NOT NULL,
    allow boolean NOT NULL,
    enabled boolean NOT NULL,
    disabled_until timestamp with time zone,
    content_key character varying(64) NOT NULL,
    payload jsonb NOT NULL,
    source_note character varying(512) COLLATE pg_catalog."C",
    actor character varying(256) NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_samples_kind CHECK (((kind)::text = ANY ((ARRAY['image'::character varying, 'video'::character varying, 'text'::character varying, 'note'::character varying])::text[])))
);


--
-- Name: samples_id_seq; Type: SEQUENCE; Schema: service; Owner: -
--

ALTER TABLE service.samples ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME service.samples_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: thresholds; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.thresholds (
    id bigint NOT NULL,
    category character varying(256) NOT NULL,
    model_id smallint NOT NULL,
    value double precision NOT NULL,
    actor character varying(256) NOT NULL,
    reason text NOT NULL,
    created timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ck_thresholds_value CHECK (((value >= ('-1'::integer)::double precision) AND (value <= (1)::double precision)))
);


--
-- Name: thresholds_id_seq; Type: SEQUENCE; Schema: service; Owner: -
--

ALTER TABLE service.thresholds ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME service.thresholds_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: vectors; Type: TABLE; Schema: service; Owner: -
--

CREATE TABLE service.vectors (
    note_id character varying(512) NOT NULL COLLATE pg_catalog."C",
    model_id smallint NOT NULL,
    content_key character varying(64) NOT NULL,
    vector public.halfvec NOT NULL,
    kind character varying(256) NOT NULL,
    category character varying(256) NOT NULL,
    "time" timestamp with time zone
);


--
-- Name: procrastinate_events id; Type: DEFAULT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_events ALTER COLUMN id SET DEFAULT nextval('procrastinate.procrastinate_events_id_seq'::regclass);


--
-- Name: procrastinate_jobs id; Type: DEFAULT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_jobs ALTER COLUMN id SET DEFAULT nextval('procrastinate.procrastinate_jobs_id_seq'::regclass);


--
-- Name: procrastinate_periodic_defers id; Type: DEFAULT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_periodic_defers ALTER COLUMN id SET DEFAULT nextval('procrastinate.procrastinate_periodic_defers_id_seq'::regclass);


--
-- Data for Name: procrastinate_events; Type: TABLE DATA; Schema: procrastinate; Owner: -
--

INSERT INTO procrastinate.procrastinate_events VALUES
	(1, 1, 'deferred', '2026-11-29 14:19:04.021996+00');


--
-- Data for Name: procrastinate_jobs; Type: TABLE DATA; Schema: procrastinate; Owner: -
--

INSERT INTO procrastinate.procrastinate_jobs VALUES
	(1, 'default', 'backcheck', 0, 'backcheck:3', 'backcheck:3', '{"job_id": 3}', 'todo', NULL, 0, false, NULL);


--
-- Data for Name: procrastinate_periodic_defers; Type: TABLE DATA; Schema: procrastinate; Owner: -
--



--
-- Data for Name: procrastinate_workers; Type: TABLE DATA; Schema: procrastinate; Owner: -
--



--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.alembic_version VALUES
	('0005');


--
-- Data for Name: api_keys; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.api_keys VALUES
	('43f384bad7d3', '\x98619699dd5b7fd25ff9683af274480dd83e139e41d3caf4e8ba6b840db6fbf7', 'app', 'admin', 'ops', '2026-11-29 14:19:03.914139+00', NULL);


--
-- Data for Name: audit; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.audit OVERRIDING SYSTEM VALUE VALUES
	(1, '2026-11-29 14:19:03.899592+00', 'ops', 'model.add', 'model:m1', '{"dim": 8}'),
	(2, '2026-11-29 14:19:03.899592+00', 'ops', 'model.switch', 'model:m1', '{"before": null}'),
	(3, '2026-11-29 14:19:03.911176+00', 'ops', 'model.add', 'model:m2', '{"dim": 8}'),
	(4, '2026-11-29 14:19:03.914139+00', 'ops', 'key.create', 'key:43f384bad7d3', '{"name": "app", "role": "admin"}'),
	(5, '2026-11-29 14:19:03.916649+00', 'ops', 'category.put', 'category:spam', '{"enabled": true, "sampling": 1.0, "description": "umbrellas", "disabled_until": null}'),
	(6, '2026-11-29 14:19:03.919151+00', 'ops', 'threshold.put', 'category:spam', '{"value": 0.895, "reason": "", "version": "m1"}'),
	(7, '2026-11-29 14:19:03.923294+00', 'ops', 'sample.add', 'sample:1', '{"kind": "text", "category": "spam"}'),
	(8, '2026-11-29 14:19:03.923294+00', 'ops', 'sample.add', 'sample:2', '{"kind": "text", "category": "spam"}'),
	(9, '2026-11-29 14:19:03.933722+00', 'app', 'note.create', 'note:97504509d9c0e802f6f5b70d3d42b6003f33d3cde1e7eb38705eeea083fb3f01', '{"hits": [1]}'),
	(10, '2026-11-29 14:19:03.941478+00', 'app', 'note.create', 'note:1f20ae512cd7124ed87cd1b9066525a757efbe8c8e11ed57415b43e1e54a1cbf', '{"hits": [1]}'),
	(11, '2026-11-29 14:19:03.944758+00', 'app', 'note.create', 'note:eda1ae17dc58a36780bec0862e0c2bec6e95ed62a690fe3afff3ee62b5e1182b', '{"hits": [1]}'),
	(12, '2026-11-29 14:19:03.947727+00', 'app', 'note.create', 'note:f8290af83d8c643630c54c3f7e36403a79f69274775760ffeecd1f0f59640193', '{"hits": [1]}'),
	(13, '2026-11-29 14:19:03.950601+00', 'app', 'note.create', 'note:991afbce023f2ffba977209695469970bb77305782148b40a9534b659f045109', '{"hits": [1]}'),
	(14, '2026-11-29 14:19:03.954123+00', 'app', 'note.create', 'note:7971b48c05bc4d2ab00812331453116751e49f642eae83420a1fc75b2ecd967e', '{"hits": [1]}'),
	(15, '2026-11-29 14:19:03.956948+00', 'app', 'note.create', 'note:b78a23ff97c0b5687645cf015b076f9745eeadb4ec179d49deaba34e76b9b28a', '{"hits": []}'),
	(16, '2026-11-29 14:19:03.959367+00', 'app', 'note.create', 'note:1e246abe112c0d4a7f121810c58c049de2841979890080b9bb35a486d2510682', '{"hits": []}'),
	(17, '2026-11-29 14:19:03.961697+00', 'app', 'note.create', 'note:18f8e6ed2139b81b0f9c23092894aae220e974db5ace7d71305daf34fcbba94b', '{"hits": []}'),
	(18, '2026-11-29 14:19:03.964008+00', 'app', 'note.create', 'note:488805f382cbefe409e68b0ae9b22f29c3dd2b6270394d5ceb410582bc024306', '{"hits": []}'),
	(19, '2026-11-29 14:19:03.966169+00', 'app', 'note.create', 'note:796690d3d284ec098f0f30b58c66f95a70ac32e7c2ec38d39a504a29dc9f376b', '{"hits": []}'),
	(20, '2026-11-29 14:19:03.968377+00', 'app', 'note.create', 'note:93c6cdd33a610f6c0c4372d7450a80dc03745b214a704bd257392c1e8b3043f4', '{"hits": []}'),
	(21, '2026-11-29 14:19:03.972928+00', 'ana', 'review', 'note:1f20ae512cd7124ed87cd1b9066525a757efbe8c8e11ed57415b43e1e54a1cbf', '{"sample": 1, "verdict": "true_positive"}'),
	(22, '2026-11-29 14:19:03.978925+00', 'ana', 'job.create', 'job:1', '{"record": true, "samples": [1]}'),
	(23, '2026-11-29 14:19:03.983936+00', 'ana', 'job.create', 'job:2', '{"record": true, "samples": [1]}'),
	(24, '2026-11-29 14:19:03.98648+00', 'ana', 'job.create', 'job:3', '{"record": true, "samples": [1]}');


--
-- Data for Name: categories; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.categories VALUES
	('spam', 'umbrellas', true, NULL, 1, '2026-11-29 14:19:03.916649+00');


--
-- Data for Name: forgotten; Type: TABLE DATA; Schema: service; Owner: -
--



--
-- Data for Name: gallery_state; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.gallery_state VALUES
	(1, 6);


--
-- Data for Name: job_hits; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.job_hits VALUES
	(1, 'n00', 1, 1),
	(1, 'n01', 1, 0.97998),
	(1, 'n02', 1, 0.959961),
	(1, 'n03', 1, 0.939941),
	(1, 'n04', 1, 0.919922),
	(1, 'n05', 1, 0.899902),
	(2, 'n00', 1, 1),
	(2, 'n01', 1, 0.97998),
	(2, 'n02', 1, 0.959961);


--
-- Data for Name: jobs; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.jobs OVERRIDING SYSTEM VALUE VALUES
	(3, 'queued', false, '{"filter": {"kinds": null, "since": null, "until": null, "categories": null}, "record": true, "samples": [1], "threshold": null}', 1, '', 0, 12, 0, '', 'ana', '2026-11-29 14:19:03.98648+00', NULL, NULL),
	(1, 'done', false, '{"filter": {"kinds": null, "since": null, "until": null, "categories": null}, "record": true, "samples": [1], "threshold": null}', 1, 'n11', 12, 12, 6, '', 'ana', '2026-11-29 14:19:03.978925+00', '2026-11-29 14:19:03.99202+00', '2026-11-29 14:19:03.99202+00'),
	(2, 'running', false, '{"filter": {"kinds": null, "since": null, "until": null, "categories": null}, "record": true, "samples": [1], "threshold": null}', 1, 'n02', 3, 12, 3, '', 'ana', '2026-11-29 14:19:03.983936+00', '2026-11-29 14:19:04.000379+00', NULL);


--
-- Data for Name: matches; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.matches OVERRIDING SYSTEM VALUE VALUES
	(1, 'n00', 1, 1, 'spam', 1, 0.895, 'online', NULL, '2026-11-29 14:19:03.933722+00'),
	(3, 'n02', 1, 1, 'spam', 0.959961, 0.895, 'online', NULL, '2026-11-29 14:19:03.944758+00'),
	(4, 'n03', 1, 1, 'spam', 0.939941, 0.895, 'online', NULL, '2026-11-29 14:19:03.947727+00'),
	(5, 'n04', 1, 1, 'spam', 0.919922, 0.895, 'online', NULL, '2026-11-29 14:19:03.950601+00'),
	(6, 'n05', 1, 1, 'spam', 0.899902, 0.895, 'online', NULL, '2026-11-29 14:19:03.954123+00'),
	(2, 'n01', 1, 1, 'spam', 0.97998, 0.895, 'online', 'true_positive', '2026-11-29 14:19:03.941478+00');


--
-- Data for Name: model_versions; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.model_versions OVERRIDING SYSTEM VALUE VALUES
	(1, 'm1', 8, 'active', '2026-11-29 14:19:03.899592+00', '2026-11-29 14:19:03.908174+00'),
	(2, 'm2', 8, 'loading', '2026-11-29 14:19:03.911176+00', NULL);


--
-- Data for Name: note_pictures; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.note_pictures VALUES
	('n00', '8f8cbb7dcf46e0bc7d53265749a6c17d116093a6ba95e442764060c76fd4a86c');


--
-- Data for Name: notes; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.notes VALUES
	('n00', '9d6a6c0290cb24a78b1ddac30838b48370844762fea9622fe3982d19409a30bc', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 0", "source": "", "pictures": [{"ocr": ["read"], "frame": false, "digest": "8f8cbb7dcf46e0bc7d53265749a6c17d116093a6ba95e442764060c76fd4a86c", "description": "a picture"}]}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.933722+00', '2026-11-29 14:19:03.933722+00'),
	('n01', '7a4e5923f2056c816d503ebeeb28eadb5d2932706f1dd07afed139494dd14de3', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 1", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.941478+00', '2026-11-29 14:19:03.941478+00'),
	('n02', '73989805df699f284803a413543cfc784ae4e1cc245963a6583e01b3f609bce4', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 2", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.944758+00', '2026-11-29 14:19:03.944758+00'),
	('n03', 'f9c47e2081fa82867a5230fb64f145f5da0f6c976b69d18734229854b36c9bbc', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 3", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.947727+00', '2026-11-29 14:19:03.947727+00'),
	('n04', 'ae1ec8c51ad3f2919eb57c3846042adc80153121b097e3bd4a149b9fa855f06a', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 4", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.950601+00', '2026-11-29 14:19:03.950601+00'),
	('n05', 'e07b2abce4699cab89e7143e8a386a789500e2b575401288d8d9f5d4e1482854', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 5", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.954123+00', '2026-11-29 14:19:03.954123+00'),
	('n06', '685468cba8603e597bba17997483399cd17ff2e7e3bf5041e5592f1fc40b0d62', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 6", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.956948+00', '2026-11-29 14:19:03.956948+00'),
	('n07', '60a8ba31c2b17a00cdd7f797d03cac956dfb338f695e2c07f0c78d6c73c4a645', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 7", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.959367+00', '2026-11-29 14:19:03.959367+00'),
	('n08', '04249a14500610736b5e01509be2389aad88e061beea96b6292eb400d862323f', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 8", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.961697+00', '2026-11-29 14:19:03.961697+00'),
	('n09', '41c2885bd6531e8cebe7a565f1c4f88e3b7bce20df820ea66a39a7321441e2ac', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 9", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.964008+00', '2026-11-29 14:19:03.964008+00'),
	('n10', 'f4d2507b9507872770d83c1cfd984b614ab2c1344819dd760ac0d127a8008f7c', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 10", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.966169+00', '2026-11-29 14:19:03.966169+00'),
	('n11', '63ac4f449242ac21138f4150b0866b7761898376e376fdb7f6814567d0ae66cd', '{"body": "", "tags": [], "likes": null, "links": [], "title": "note 11", "source": "", "pictures": []}', 'note', 'rain', '', NULL, '2026-11-29 14:19:03.968377+00', '2026-11-29 14:19:03.968377+00');


--
-- Data for Name: outbox; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.outbox OVERRIDING SYSTEM VALUE VALUES
	(1, 'n00', false, '2026-11-29 14:19:03.933722+00'),
	(2, 'n01', false, '2026-11-29 14:19:03.941478+00'),
	(3, 'n02', false, '2026-11-29 14:19:03.944758+00'),
	(4, 'n03', false, '2026-11-29 14:19:03.947727+00'),
	(5, 'n04', false, '2026-11-29 14:19:03.950601+00'),
	(6, 'n05', false, '2026-11-29 14:19:03.954123+00'),
	(7, 'n06', false, '2026-11-29 14:19:03.956948+00'),
	(8, 'n07', false, '2026-11-29 14:19:03.959367+00'),
	(9, 'n08', false, '2026-11-29 14:19:03.961697+00'),
	(10, 'n09', false, '2026-11-29 14:19:03.964008+00'),
	(11, 'n10', false, '2026-11-29 14:19:03.966169+00'),
	(12, 'n11', false, '2026-11-29 14:19:03.968377+00');


--
-- Data for Name: outbox_state; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.outbox_state VALUES
	(1, true, 0);


--
-- Data for Name: pictures; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.pictures VALUES
	('8f8cbb7dcf46e0bc7d53265749a6c17d116093a6ba95e442764060c76fd4a86c', '\x706e67');


--
-- Data for Name: requests; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.requests VALUES
	('06e3a79ce0fe852073ec92696cbebe06d277e33220588b3e612421b22fb70adc', '0000000000000000000000000000000000000000000000000000000000000000', '2026-11-29 14:19:03.933722+00'),
	('12985a2a3ceaa2de4208e842b1051cc80084f7927dec6239874cea7f68935162', '0000000000000000000000000000000000000000000000000000000000000001', '2026-11-29 14:19:03.941478+00'),
	('0ecb3fa527b5be74271fa19ede3b47065a0551eb0fb83782f9db2103cabc59b5', '0000000000000000000000000000000000000000000000000000000000000002', '2026-11-29 14:19:03.944758+00'),
	('c6202d2ec9c1179ad438a348c0fb5c69230eb9b2f88108843eea18b09aad8237', '0000000000000000000000000000000000000000000000000000000000000003', '2026-11-29 14:19:03.947727+00'),
	('81c216ee6e31d18dc9f1eca1fa6aedccbbba7a06c04f7cfefacbaef6655d046f', '0000000000000000000000000000000000000000000000000000000000000004', '2026-11-29 14:19:03.950601+00'),
	('7c1fd10e40b9b537f352afe8d206f8707a3a0ef3b080f2e168e3c1c09258c73b', '0000000000000000000000000000000000000000000000000000000000000005', '2026-11-29 14:19:03.954123+00'),
	('1ff130771e74a6ea9c83a1b7f9c8739cfed21a3f5113db468661a66301076811', '0000000000000000000000000000000000000000000000000000000000000006', '2026-11-29 14:19:03.956948+00'),
	('0bcb65b4bf506087bb9ed74e18f38059f713080c8c8873bc4181e27f020d5279', '0000000000000000000000000000000000000000000000000000000000000007', '2026-11-29 14:19:03.959367+00'),
	('11ca265038dfce297b51668a054e6ea63f8ec4f36625bf83a8ed8600be40bd97', '0000000000000000000000000000000000000000000000000000000000000008', '2026-11-29 14:19:03.961697+00'),
	('d8b523883579121d40da01e815b4e32c1c3b3c3faaad3962c1e2aae3a628ac3d', '0000000000000000000000000000000000000000000000000000000000000009', '2026-11-29 14:19:03.964008+00'),
	('00041733028309b4a5595297f3b28c94cb496c0554595b8ec66d5ba34aba3780', '0000000000000000000000000000000000000000000000000000000000000010', '2026-11-29 14:19:03.966169+00'),
	('ea4d9cdec75e75728a7b013f4310918d09696707dc0fc97f8f094ffc72a2882f', '0000000000000000000000000000000000000000000000000000000000000011', '2026-11-29 14:19:03.968377+00');


--
-- Data for Name: reviews; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.reviews OVERRIDING SYSTEM VALUE VALUES
	(1, 'n01', 1, '7a4e5923f2056c816d503ebeeb28eadb5d2932706f1dd07afed139494dd14de3', 'spam', 0.97998, 'true_positive', 'indeed', 'ana', '2026-11-29 14:19:03.972928+00');


--
-- Data for Name: sample_pictures; Type: TABLE DATA; Schema: service; Owner: -
--



--
-- Data for Name: sample_vectors; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.sample_vectors VALUES
	(1, 1, '[1,0,0,0,0,0,0,0]'),
	(2, 1, '[-1,0,0,0,0,0,0,0]');


--
-- Data for Name: samples; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.samples OVERRIDING SYSTEM VALUE VALUES
	(1, 'spam', 'text', '', '', false, true, NULL, '462f01afaa2a234d2eacb3202c2573d7c6578bf4eb00c3dc9d1083ab39fed401', '{"parts": [{"text": "an umbrella"}]}', NULL, 'ops', '2026-11-29 14:19:03.923294+00'),
	(2, 'spam', 'text', '', '', true, true, NULL, '302243593c0e8cb19414820c286def804b9693ad814b0c010f9c15b49fcf1bf5', '{"parts": [{"text": "a parasol"}]}', NULL, 'ops', '2026-11-29 14:19:03.923294+00');


--
-- Data for Name: thresholds; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.thresholds OVERRIDING SYSTEM VALUE VALUES
	(1, 'spam', 1, 0.895, 'ops', '', '2026-11-29 14:19:03.919151+00');


--
-- Data for Name: vectors; Type: TABLE DATA; Schema: service; Owner: -
--

INSERT INTO service.vectors VALUES
	('n00', 1, '9d6a6c0290cb24a78b1ddac30838b48370844762fea9622fe3982d19409a30bc', '[1,0,0,0,0,0,0,0]', 'note', 'rain', NULL),
	('n01', 1, '7a4e5923f2056c816d503ebeeb28eadb5d2932706f1dd07afed139494dd14de3', '[0.97998047,0,0,0,0,0,0,0.19897461]', 'note', 'rain', NULL),
	('n02', 1, '73989805df699f284803a413543cfc784ae4e1cc245963a6583e01b3f609bce4', '[0.95996094,0,0,0,0,0,0,0.2800293]', 'note', 'rain', NULL),
	('n03', 1, 'f9c47e2081fa82867a5230fb64f145f5da0f6c976b69d18734229854b36c9bbc', '[0.9399414,0,0,0,0,0,0,0.34106445]', 'note', 'rain', NULL),
	('n04', 1, 'ae1ec8c51ad3f2919eb57c3846042adc80153121b097e3bd4a149b9fa855f06a', '[0.9199219,0,0,0,0,0,0,0.3918457]', 'note', 'rain', NULL),
	('n05', 1, 'e07b2abce4699cab89e7143e8a386a789500e2b575401288d8d9f5d4e1482854', '[0.89990234,0,0,0,0,0,0,0.43579102]', 'note', 'rain', NULL),
	('n06', 1, '685468cba8603e597bba17997483399cd17ff2e7e3bf5041e5592f1fc40b0d62', '[0.8798828,0,0,0,0,0,0,0.47485352]', 'note', 'rain', NULL),
	('n07', 1, '60a8ba31c2b17a00cdd7f797d03cac956dfb338f695e2c07f0c78d6c73c4a645', '[0.8598633,0,0,0,0,0,0,0.5102539]', 'note', 'rain', NULL),
	('n08', 1, '04249a14500610736b5e01509be2389aad88e061beea96b6292eb400d862323f', '[0.83984375,0,0,0,0,0,0,0.54248047]', 'note', 'rain', NULL),
	('n09', 1, '41c2885bd6531e8cebe7a565f1c4f88e3b7bce20df820ea66a39a7321441e2ac', '[0.8198242,0,0,0,0,0,0,0.5722656]', 'note', 'rain', NULL),
	('n10', 1, 'f4d2507b9507872770d83c1cfd984b614ab2c1344819dd760ac0d127a8008f7c', '[0.7998047,0,0,0,0,0,0,0.60009766]', 'note', 'rain', NULL),
	('n11', 1, '63ac4f449242ac21138f4150b0866b7761898376e376fdb7f6814567d0ae66cd', '[0.77978516,0,0,0,0,0,0,0.62597656]', 'note', 'rain', NULL);


--
-- Name: procrastinate_events_id_seq; Type: SEQUENCE SET; Schema: procrastinate; Owner: -
--

SELECT pg_catalog.setval('procrastinate.procrastinate_events_id_seq', 1, true);


--
-- Name: procrastinate_jobs_id_seq; Type: SEQUENCE SET; Schema: procrastinate; Owner: -
--

SELECT pg_catalog.setval('procrastinate.procrastinate_jobs_id_seq', 1, true);


--
-- Name: procrastinate_periodic_defers_id_seq; Type: SEQUENCE SET; Schema: procrastinate; Owner: -
--

SELECT pg_catalog.setval('procrastinate.procrastinate_periodic_defers_id_seq', 1, false);


--
-- Name: procrastinate_workers_id_seq; Type: SEQUENCE SET; Schema: procrastinate; Owner: -
--

SELECT pg_catalog.setval('procrastinate.procrastinate_workers_id_seq', 1, false);


--
-- Name: audit_id_seq; Type: SEQUENCE SET; Schema: service; Owner: -
--

SELECT pg_catalog.setval('service.audit_id_seq', 24, true);


--
-- Name: jobs_id_seq; Type: SEQUENCE SET; Schema: service; Owner: -
--

SELECT pg_catalog.setval('service.jobs_id_seq', 3, true);


--
-- Name: matches_id_seq; Type: SEQUENCE SET; Schema: service; Owner: -
--

SELECT pg_catalog.setval('service.matches_id_seq', 15, true);


--
-- Name: model_versions_id_seq; Type: SEQUENCE SET; Schema: service; Owner: -
--

SELECT pg_catalog.setval('service.model_versions_id_seq', 2, true);


--
-- Name: outbox_seq_seq; Type: SEQUENCE SET; Schema: service; Owner: -
--

SELECT pg_catalog.setval('service.outbox_seq_seq', 12, true);


--
-- Name: reviews_id_seq; Type: SEQUENCE SET; Schema: service; Owner: -
--

SELECT pg_catalog.setval('service.reviews_id_seq', 1, true);


--
-- Name: samples_id_seq; Type: SEQUENCE SET; Schema: service; Owner: -
--

SELECT pg_catalog.setval('service.samples_id_seq', 2, true);


--
-- Name: thresholds_id_seq; Type: SEQUENCE SET; Schema: service; Owner: -
--

SELECT pg_catalog.setval('service.thresholds_id_seq', 1, true);


--
-- Name: procrastinate_events procrastinate_events_pkey; Type: CONSTRAINT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_events
    ADD CONSTRAINT procrastinate_events_pkey PRIMARY KEY (id);


--
-- Name: procrastinate_jobs procrastinate_jobs_pkey; Type: CONSTRAINT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_pkey PRIMARY KEY (id);


--
-- Name: procrastinate_periodic_defers procrastinate_periodic_defers_pkey; Type: CONSTRAINT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_pkey PRIMARY KEY (id);


--
-- Name: procrastinate_periodic_defers procrastinate_periodic_defers_unique; Type: CONSTRAINT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_unique UNIQUE (task_name, periodic_id, defer_timestamp);


--
-- Name: procrastinate_workers procrastinate_workers_pkey; Type: CONSTRAINT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_workers
    ADD CONSTRAINT procrastinate_workers_pkey PRIMARY KEY (id);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: api_keys pk_api_keys; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.api_keys
    ADD CONSTRAINT pk_api_keys PRIMARY KEY (prefix);


--
-- Name: audit pk_audit; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (id);


--
-- Name: categories pk_categories; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.categories
    ADD CONSTRAINT pk_categories PRIMARY KEY (name);


--
-- Name: forgotten pk_forgotten; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.forgotten
    ADD CONSTRAINT pk_forgotten PRIMARY KEY (id_hash);


--
-- Name: gallery_state pk_gallery_state; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.gallery_state
    ADD CONSTRAINT pk_gallery_state PRIMARY KEY (id);


--
-- Name: job_hits pk_job_hits; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.job_hits
    ADD CONSTRAINT pk_job_hits PRIMARY KEY (job_id, note_id, sample_id);


--
-- Name: jobs pk_jobs; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.jobs
    ADD CONSTRAINT pk_jobs PRIMARY KEY (id);


--
-- Name: matches pk_matches; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.matches
    ADD CONSTRAINT pk_matches PRIMARY KEY (id);


--
-- Name: model_versions pk_model_versions; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.model_versions
    ADD CONSTRAINT pk_model_versions PRIMARY KEY (id);


--
-- Name: note_pictures pk_note_pictures; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.note_pictures
    ADD CONSTRAINT pk_note_pictures PRIMARY KEY (note_id, digest);


--
-- Name: notes pk_notes; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.notes
    ADD CONSTRAINT pk_notes PRIMARY KEY (id);


--
-- Name: outbox pk_outbox; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.outbox
    ADD CONSTRAINT pk_outbox PRIMARY KEY (seq);


--
-- Name: outbox_state pk_outbox_state; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.outbox_state
    ADD CONSTRAINT pk_outbox_state PRIMARY KEY (id);


--
-- Name: pictures pk_pictures; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.pictures
    ADD CONSTRAINT pk_pictures PRIMARY KEY (digest);


--
-- Name: requests pk_requests; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.requests
    ADD CONSTRAINT pk_requests PRIMARY KEY (key);


--
-- Name: reviews pk_reviews; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.reviews
    ADD CONSTRAINT pk_reviews PRIMARY KEY (id);


--
-- Name: sample_pictures pk_sample_pictures; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.sample_pictures
    ADD CONSTRAINT pk_sample_pictures PRIMARY KEY (sample_id, digest);


--
-- Name: sample_vectors pk_sample_vectors; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.sample_vectors
    ADD CONSTRAINT pk_sample_vectors PRIMARY KEY (sample_id, model_id);


--
-- Name: samples pk_samples; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.samples
    ADD CONSTRAINT pk_samples PRIMARY KEY (id);


--
-- Name: thresholds pk_thresholds; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.thresholds
    ADD CONSTRAINT pk_thresholds PRIMARY KEY (id);


--
-- Name: vectors pk_vectors; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.vectors
    ADD CONSTRAINT pk_vectors PRIMARY KEY (note_id, model_id);


--
-- Name: matches uq_matches_note_id_sample_id; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.matches
    ADD CONSTRAINT uq_matches_note_id_sample_id UNIQUE (note_id, sample_id);


--
-- Name: model_versions uq_model_versions_version; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.model_versions
    ADD CONSTRAINT uq_model_versions_version UNIQUE (version);


--
-- Name: samples uq_samples_category_content_key_kind_allow; Type: CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.samples
    ADD CONSTRAINT uq_samples_category_content_key_kind_allow UNIQUE (category, content_key, kind, allow);


--
-- Name: idx_procrastinate_jobs_worker_not_null; Type: INDEX; Schema: procrastinate; Owner: -
--

CREATE INDEX idx_procrastinate_jobs_worker_not_null ON procrastinate.procrastinate_jobs USING btree (worker_id) WHERE ((worker_id IS NOT NULL) AND (status = 'doing'::procrastinate.procrastinate_job_status));


--
-- Name: idx_procrastinate_workers_last_heartbeat; Type: INDEX; Schema: procrastinate; Owner: -
--

CREATE INDEX idx_procrastinate_workers_last_heartbeat ON procrastinate.procrastinate_workers USING btree (last_heartbeat);


--
-- Name: procrastinate_events_job_id_fkey_v1; Type: INDEX; Schema: procrastinate; Owner: -
--

CREATE INDEX procrastinate_events_job_id_fkey_v1 ON procrastinate.procrastinate_events USING btree (job_id);


--
-- Name: procrastinate_jobs_id_lock_idx_v1; Type: INDEX; Schema: procrastinate; Owner: -
--

CREATE INDEX procrastinate_jobs_id_lock_idx_v1 ON procrastinate.procrastinate_jobs USING btree (id, lock) WHERE (status = ANY (ARRAY['todo'::procrastinate.procrastinate_job_status, 'doing'::procrastinate.procrastinate_job_status]));


--
-- Name: procrastinate_jobs_lock_idx_v1; Type: INDEX; Schema: procrastinate; Owner: -
--

CREATE UNIQUE INDEX procrastinate_jobs_lock_idx_v1 ON procrastinate.procrastinate_jobs USING btree (lock) WHERE (status = 'doing'::procrastinate.procrastinate_job_status);


--
-- Name: procrastinate_jobs_priority_idx_v1; Type: INDEX; Schema: procrastinate; Owner: -
--

CREATE INDEX procrastinate_jobs_priority_idx_v1 ON procrastinate.procrastinate_jobs USING btree (priority DESC, id) WHERE (status = 'todo'::procrastinate.procrastinate_job_status);


--
-- Name: procrastinate_jobs_queue_name_idx_v1; Type: INDEX; Schema: procrastinate; Owner: -
--

CREATE INDEX procrastinate_jobs_queue_name_idx_v1 ON procrastinate.procrastinate_jobs USING btree (queue_name);


--
-- Name: procrastinate_jobs_queueing_lock_idx_v1; Type: INDEX; Schema: procrastinate; Owner: -
--

CREATE UNIQUE INDEX procrastinate_jobs_queueing_lock_idx_v1 ON procrastinate.procrastinate_jobs USING btree (queueing_lock) WHERE (status = 'todo'::procrastinate.procrastinate_job_status);


--
-- Name: procrastinate_periodic_defers_job_id_fkey_v1; Type: INDEX; Schema: procrastinate; Owner: -
--

CREATE INDEX procrastinate_periodic_defers_job_id_fkey_v1 ON procrastinate.procrastinate_periodic_defers USING btree (job_id);


--
-- Name: ix_audit_action_id; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_audit_action_id ON service.audit USING btree (action, id);


--
-- Name: ix_audit_subject_id; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_audit_subject_id ON service.audit USING btree (subject, id);


--
-- Name: ix_job_hits_note_id; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_job_hits_note_id ON service.job_hits USING btree (note_id);


--
-- Name: ix_job_hits_sample_id; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_job_hits_sample_id ON service.job_hits USING btree (sample_id);


--
-- Name: ix_jobs_state; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_jobs_state ON service.jobs USING btree (state);


--
-- Name: ix_matches_open; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_matches_open ON service.matches USING btree (category, id) WHERE (verdict IS NULL);


--
-- Name: ix_matches_sample_id; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_matches_sample_id ON service.matches USING btree (sample_id);


--
-- Name: ix_note_pictures_digest; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_note_pictures_digest ON service.note_pictures USING btree (digest);


--
-- Name: ix_notes_category_id; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_notes_category_id ON service.notes USING btree (category, id);


--
-- Name: ix_notes_time; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_notes_time ON service.notes USING btree ("time");


--
-- Name: ix_outbox_note_id_seq; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_outbox_note_id_seq ON service.outbox USING btree (note_id, seq);


--
-- Name: ix_requests_created; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_requests_created ON service.requests USING btree (created);


--
-- Name: ix_reviews_note_id_sample_id; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_reviews_note_id_sample_id ON service.reviews USING btree (note_id, sample_id, id DESC);


--
-- Name: ix_reviews_sample_id; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_reviews_sample_id ON service.reviews USING btree (sample_id);


--
-- Name: ix_sample_pictures_digest; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_sample_pictures_digest ON service.sample_pictures USING btree (digest);


--
-- Name: ix_samples_source_note; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_samples_source_note ON service.samples USING btree (source_note);


--
-- Name: ix_thresholds_category_model_id; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_thresholds_category_model_id ON service.thresholds USING btree (category, model_id, id DESC);


--
-- Name: ix_vectors_model_id_category_kind; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_vectors_model_id_category_kind ON service.vectors USING btree (model_id, category, kind);


--
-- Name: ix_vectors_model_id_time; Type: INDEX; Schema: service; Owner: -
--

CREATE INDEX ix_vectors_model_id_time ON service.vectors USING btree (model_id, "time");


--
-- Name: uq_model_versions_active; Type: INDEX; Schema: service; Owner: -
--

CREATE UNIQUE INDEX uq_model_versions_active ON service.model_versions USING btree ((true)) WHERE ((state)::text = 'active'::text);


--
-- Name: procrastinate_jobs procrastinate_jobs_notify_queue_job_aborted_v1; Type: TRIGGER; Schema: procrastinate; Owner: -
--

CREATE TRIGGER procrastinate_jobs_notify_queue_job_aborted_v1 AFTER UPDATE OF abort_requested ON procrastinate.procrastinate_jobs FOR EACH ROW WHEN (((old.abort_requested = false) AND (new.abort_requested = true) AND (new.status = 'doing'::procrastinate.procrastinate_job_status))) EXECUTE FUNCTION procrastinate.procrastinate_notify_queue_abort_job_v1();


--
-- Name: procrastinate_jobs procrastinate_jobs_notify_queue_job_inserted_v1; Type: TRIGGER; Schema: procrastinate; Owner: -
--

CREATE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 AFTER INSERT ON procrastinate.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::procrastinate.procrastinate_job_status)) EXECUTE FUNCTION procrastinate.procrastinate_notify_queue_job_inserted_v1();


--
-- Name: procrastinate_jobs procrastinate_trigger_abort_requested_events_v1; Type: TRIGGER; Schema: procrastinate; Owner: -
--

CREATE TRIGGER procrastinate_trigger_abort_requested_events_v1 AFTER UPDATE OF abort_requested ON procrastinate.procrastinate_jobs FOR EACH ROW WHEN ((new.abort_requested = true)) EXECUTE FUNCTION procrastinate.procrastinate_trigger_abort_requested_events_procedure_v1();


--
-- Name: procrastinate_jobs procrastinate_trigger_delete_jobs_v1; Type: TRIGGER; Schema: procrastinate; Owner: -
--

CREATE TRIGGER procrastinate_trigger_delete_jobs_v1 BEFORE DELETE ON procrastinate.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION procrastinate.procrastinate_unlink_periodic_defers_v1();


--
-- Name: procrastinate_jobs procrastinate_trigger_scheduled_events_v1; Type: TRIGGER; Schema: procrastinate; Owner: -
--

CREATE TRIGGER procrastinate_trigger_scheduled_events_v1 AFTER INSERT OR UPDATE ON procrastinate.procrastinate_jobs FOR EACH ROW WHEN (((new.scheduled_at IS NOT NULL) AND (new.status = 'todo'::procrastinate.procrastinate_job_status))) EXECUTE FUNCTION procrastinate.procrastinate_trigger_function_scheduled_events_v1();


--
-- Name: procrastinate_jobs procrastinate_trigger_status_events_insert_v1; Type: TRIGGER; Schema: procrastinate; Owner: -
--

CREATE TRIGGER procrastinate_trigger_status_events_insert_v1 AFTER INSERT ON procrastinate.procrastinate_jobs FOR EACH ROW WHEN ((new.status = 'todo'::procrastinate.procrastinate_job_status)) EXECUTE FUNCTION procrastinate.procrastinate_trigger_function_status_events_insert_v1();


--
-- Name: procrastinate_jobs procrastinate_trigger_status_events_update_v1; Type: TRIGGER; Schema: procrastinate; Owner: -
--

CREATE TRIGGER procrastinate_trigger_status_events_update_v1 AFTER UPDATE OF status ON procrastinate.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION procrastinate.procrastinate_trigger_function_status_events_update_v1();


--
-- Name: audit append_only; Type: TRIGGER; Schema: service; Owner: -
--

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON service.audit FOR EACH STATEMENT EXECUTE FUNCTION service.refuse_change();


--
-- Name: procrastinate_events procrastinate_events_job_id_fkey; Type: FK CONSTRAINT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_events
    ADD CONSTRAINT procrastinate_events_job_id_fkey FOREIGN KEY (job_id) REFERENCES procrastinate.procrastinate_jobs(id) ON DELETE CASCADE;


--
-- Name: procrastinate_jobs procrastinate_jobs_worker_id_fkey; Type: FK CONSTRAINT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_jobs
    ADD CONSTRAINT procrastinate_jobs_worker_id_fkey FOREIGN KEY (worker_id) REFERENCES procrastinate.procrastinate_workers(id) ON DELETE SET NULL;


--
-- Name: procrastinate_periodic_defers procrastinate_periodic_defers_job_id_fkey; Type: FK CONSTRAINT; Schema: procrastinate; Owner: -
--

ALTER TABLE ONLY procrastinate.procrastinate_periodic_defers
    ADD CONSTRAINT procrastinate_periodic_defers_job_id_fkey FOREIGN KEY (job_id) REFERENCES procrastinate.procrastinate_jobs(id);


--
-- Name: job_hits fk_job_hits_job_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.job_hits
    ADD CONSTRAINT fk_job_hits_job_id FOREIGN KEY (job_id) REFERENCES service.jobs(id) ON DELETE CASCADE;


--
-- Name: job_hits fk_job_hits_note_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.job_hits
    ADD CONSTRAINT fk_job_hits_note_id FOREIGN KEY (note_id) REFERENCES service.notes(id) ON DELETE CASCADE;


--
-- Name: job_hits fk_job_hits_sample_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.job_hits
    ADD CONSTRAINT fk_job_hits_sample_id FOREIGN KEY (sample_id) REFERENCES service.samples(id) ON DELETE CASCADE;


--
-- Name: jobs fk_jobs_model_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.jobs
    ADD CONSTRAINT fk_jobs_model_id FOREIGN KEY (model_id) REFERENCES service.model_versions(id);


--
-- Name: matches fk_matches_model_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.matches
    ADD CONSTRAINT fk_matches_model_id FOREIGN KEY (model_id) REFERENCES service.model_versions(id);


--
-- Name: matches fk_matches_note_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.matches
    ADD CONSTRAINT fk_matches_note_id FOREIGN KEY (note_id) REFERENCES service.notes(id) ON DELETE CASCADE;


--
-- Name: matches fk_matches_sample_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.matches
    ADD CONSTRAINT fk_matches_sample_id FOREIGN KEY (sample_id) REFERENCES service.samples(id) ON DELETE CASCADE;


--
-- Name: note_pictures fk_note_pictures_digest; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.note_pictures
    ADD CONSTRAINT fk_note_pictures_digest FOREIGN KEY (digest) REFERENCES service.pictures(digest);


--
-- Name: note_pictures fk_note_pictures_note_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.note_pictures
    ADD CONSTRAINT fk_note_pictures_note_id FOREIGN KEY (note_id) REFERENCES service.notes(id) ON DELETE CASCADE;


--
-- Name: reviews fk_reviews_note_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.reviews
    ADD CONSTRAINT fk_reviews_note_id FOREIGN KEY (note_id) REFERENCES service.notes(id) ON DELETE CASCADE;


--
-- Name: reviews fk_reviews_sample_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.reviews
    ADD CONSTRAINT fk_reviews_sample_id FOREIGN KEY (sample_id) REFERENCES service.samples(id) ON DELETE CASCADE;


--
-- Name: sample_pictures fk_sample_pictures_digest; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.sample_pictures
    ADD CONSTRAINT fk_sample_pictures_digest FOREIGN KEY (digest) REFERENCES service.pictures(digest);


--
-- Name: sample_pictures fk_sample_pictures_sample_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.sample_pictures
    ADD CONSTRAINT fk_sample_pictures_sample_id FOREIGN KEY (sample_id) REFERENCES service.samples(id) ON DELETE CASCADE;


--
-- Name: sample_vectors fk_sample_vectors_model_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.sample_vectors
    ADD CONSTRAINT fk_sample_vectors_model_id FOREIGN KEY (model_id) REFERENCES service.model_versions(id);


--
-- Name: sample_vectors fk_sample_vectors_sample_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.sample_vectors
    ADD CONSTRAINT fk_sample_vectors_sample_id FOREIGN KEY (sample_id) REFERENCES service.samples(id) ON DELETE CASCADE;


--
-- Name: samples fk_samples_category; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.samples
    ADD CONSTRAINT fk_samples_category FOREIGN KEY (category) REFERENCES service.categories(name) ON DELETE CASCADE;


--
-- Name: thresholds fk_thresholds_category; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.thresholds
    ADD CONSTRAINT fk_thresholds_category FOREIGN KEY (category) REFERENCES service.categories(name) ON DELETE CASCADE;


--
-- Name: thresholds fk_thresholds_model_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.thresholds
    ADD CONSTRAINT fk_thresholds_model_id FOREIGN KEY (model_id) REFERENCES service.model_versions(id);


--
-- Name: vectors fk_vectors_model_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.vectors
    ADD CONSTRAINT fk_vectors_model_id FOREIGN KEY (model_id) REFERENCES service.model_versions(id);


--
-- Name: vectors fk_vectors_note_id; Type: FK CONSTRAINT; Schema: service; Owner: -
--

ALTER TABLE ONLY service.vectors
    ADD CONSTRAINT fk_vectors_note_id FOREIGN KEY (note_id) REFERENCES service.notes(id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--


