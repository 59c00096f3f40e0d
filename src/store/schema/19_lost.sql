-- Disks of snapshots whose images went when others of the VM went back behind them.
ALTER TABLE snapshots ADD COLUMN lost TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(lost));
