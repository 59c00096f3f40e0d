-- Networks that clients make: what they are like, their profiles, and which clusters have them.

ALTER TABLE networks ADD COLUMN comment TEXT NOT NULL DEFAULT '';
ALTER TABLE networks ADD COLUMN vlan INTEGER;
ALTER TABLE networks ADD COLUMN mtu INTEGER NOT NULL DEFAULT 0;
ALTER TABLE networks ADD COLUMN stp INTEGER NOT NULL DEFAULT 0 CHECK (stp IN (0, 1));
ALTER TABLE networks ADD COLUMN for_vms INTEGER NOT NULL DEFAULT 1 CHECK (for_vms IN (0, 1));

ALTER TABLE vnic_profiles ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE vnic_profiles ADD COLUMN comment TEXT NOT NULL DEFAULT '';
ALTER TABLE vnic_profiles ADD COLUMN port_mirroring INTEGER NOT NULL DEFAULT 0 CHECK (port_mirroring IN (0, 1));
ALTER TABLE vnic_profiles ADD COLUMN custom_properties TEXT NOT NULL DEFAULT '[]'
    CHECK (json_valid(custom_properties));

CREATE TABLE cluster_networks (
    cluster   TEXT NOT NULL REFERENCES clusters ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    network   TEXT NOT NULL REFERENCES networks ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    required  INTEGER NOT NULL CHECK (required IN (0, 1)),
    display   INTEGER NOT NULL CHECK (display IN (0, 1)),
    migration INTEGER NOT NULL CHECK (migration IN (0, 1)),
    PRIMARY KEY (cluster, network)
) STRICT;

-- Until now every cluster had all networks of its data center.
INSERT INTO cluster_networks
    SELECT clusters.id, networks.id, 1, 1, 1
    FROM clusters JOIN networks ON networks.data_center = clusters.data_center;
