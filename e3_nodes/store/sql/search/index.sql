-- name: mark
SELECT id, identity, created_at
FROM   mark;

-- name: is_named
-- Whether the index finds one job by all the letters of its name.
SELECT 1
FROM   names
WHERE  names MATCH :letters AND rowid = :id;

-- name: gaps
SELECT count(*) AS n, json_group_array(json_array(first, last)) AS ranges
FROM   (SELECT first, last FROM gaps LIMIT :limit);

-- name: rarest
-- Letters that are in many names tell little and have long lists.
SELECT value, (SELECT count(*) FROM samples WHERE instr(identity, value)) AS n, (SELECT count(*) FROM samples) AS of_all
FROM   json_each(:letters)
ORDER  BY n
LIMIT  :limit;

-- name: named_like
SELECT rowid AS id
FROM   names
WHERE  names MATCH :letters
LIMIT  :limit;

-- What follows runs with the job table attached, and in one transaction.

-- name: last_of_slice
SELECT id, identity, created_at
FROM   (SELECT id, identity, created_at FROM jobs WHERE id > :top ORDER BY id LIMIT :slice)
ORDER  BY id DESC
LIMIT  1;

-- name: add_names
INSERT INTO names (rowid, identity)
SELECT id, identity
FROM   jobs
WHERE  id > :top AND id <= :id
ORDER  BY id;

-- name: add_gaps
INSERT INTO gaps (first, last)
SELECT before + 1, id - 1
FROM   (SELECT id, lag(id, 1, :top) OVER (ORDER BY id) AS before FROM jobs WHERE id > :top AND id <= :id)
WHERE  id > before + 1;

-- name: add_samples
INSERT INTO samples (identity)
SELECT identity
FROM   jobs
WHERE  id > :top AND id <= :id AND id % 1999 = 0;

-- name: forget_mark
DELETE FROM mark;

-- name: set_mark
INSERT INTO mark (id, identity, created_at)
VALUES (:id, :identity, :created_at);

-- name: forget_names
INSERT INTO names (names)
VALUES ('delete-all');

-- name: forget_gaps
DELETE FROM gaps;

-- name: forget_samples
DELETE FROM samples;
