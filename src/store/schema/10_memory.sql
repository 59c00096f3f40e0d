-- A VM that was brought back to a snapshot with memory goes on from it when it starts.
ALTER TABLE vms ADD COLUMN wakes_from TEXT
    REFERENCES snapshots ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
