-- Until when a firing's source asked to be left alone.

ALTER TABLE firings ADD COLUMN held_until INTEGER;
