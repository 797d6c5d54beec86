-- Every run takes a job through processing, where few jobs are at a time. The lists' indexes leave it out, so
-- that a run is taken out of each of them once and put in once, and the few have an index of their own.
DROP INDEX jobs_order_idx;
DROP INDEX jobs_created_idx;
DROP INDEX jobs_ended_idx;
DROP INDEX jobs_duration_idx;
DROP INDEX jobs_name_idx;
CREATE INDEX jobs_order_idx ON jobs (status, priority, position, tie, media, workflow_id, identity)
WHERE status <> 'processing';
CREATE INDEX jobs_created_idx ON jobs (status, created_at, tie, media, workflow_id, identity)
WHERE status <> 'processing';
CREATE INDEX jobs_ended_idx ON jobs (status, ended_key, tie, media, workflow_id, identity)
WHERE status <> 'processing';
CREATE INDEX jobs_duration_idx ON jobs (status, duration_key, tie, media, workflow_id, identity)
WHERE status <> 'processing';
CREATE INDEX jobs_name_idx ON jobs (status, identity, tie, media, workflow_id)
WHERE status <> 'processing';
CREATE INDEX jobs_processing_idx ON jobs (worker_id) WHERE status = 'processing';
