-- What the VMs of a pool have other than its template.
ALTER TABLE vm_pools ADD COLUMN hardware TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(hardware));
