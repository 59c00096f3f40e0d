-- Pools whose new VMs are over the newest version of their template.
ALTER TABLE vm_pools ADD COLUMN newest_version INTEGER NOT NULL DEFAULT 0 CHECK (newest_version IN (0, 1));
