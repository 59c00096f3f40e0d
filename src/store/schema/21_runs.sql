-- Whether a VM's guest has got what sets it up, and whether a user has had the present run.
ALTER TABLE vms ADD COLUMN set_up INTEGER NOT NULL DEFAULT 0 CHECK (set_up IN (0, 1));
ALTER TABLE vms ADD COLUMN taken INTEGER NOT NULL DEFAULT 0 CHECK (taken IN (0, 1));
UPDATE vms SET set_up = started IS NOT NULL
