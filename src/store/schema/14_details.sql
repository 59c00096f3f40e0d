-- How many VMs of a pool wait, running, for somebody to take them; comments of storage domains.
ALTER TABLE vm_pools ADD COLUMN prestarted_vms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE storage_domains ADD COLUMN comment TEXT NOT NULL DEFAULT '';
