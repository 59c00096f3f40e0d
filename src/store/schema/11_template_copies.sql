-- Disks of templates lie in several storage domains.

ALTER TABLE templates ADD COLUMN copies TEXT NOT NULL DEFAULT '[]';
