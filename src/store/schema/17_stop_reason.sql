-- Why somebody stopped a VM.
ALTER TABLE vms ADD COLUMN stop_reason TEXT
