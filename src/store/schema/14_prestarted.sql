-- How many VMs of a pool wait, running, for somebody to take them.
ALTER TABLE vm_pools ADD COLUMN prestarted_vms INTEGER NOT NULL DEFAULT 0;
