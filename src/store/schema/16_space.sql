-- What storage domains say of new disks and of their free space.
ALTER TABLE storage_domains ADD COLUMN wipe_after_delete INTEGER NOT NULL DEFAULT 0 CHECK (wipe_after_delete IN (0, 1));
ALTER TABLE storage_domains ADD COLUMN warning INTEGER;
ALTER TABLE storage_domains ADD COLUMN blocker INTEGER;
