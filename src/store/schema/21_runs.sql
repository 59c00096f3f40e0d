-- Whether what sets a VM's guest up may not have come to it yet, and whether a user has had the present run.
ALTER TABLE vms ADD COLUMN setting_up INTEGER NOT NULL DEFAULT 0 CHECK (setting_up IN (0, 1));
ALTER TABLE vms ADD COLUMN taken INTEGER NOT NULL DEFAULT 0 CHECK (taken IN (0, 1))
