-- How often each stage of a run was attempted.

ALTER TABLE runs ADD COLUMN tries TEXT NOT NULL DEFAULT '{}';
