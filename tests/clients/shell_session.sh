#!/bin/bash
# A session of the unmodified ovirt-shell: connects, lists, shows, adds, changes and
# removes a VM with a disk. The shell always ends with code 0, so its words are checked.
# usage: shell_session.sh SDK-FOLDER URL USER PASSWORD CA-FILE
set -euo pipefail
[ $# = 5 ] || { echo "usage: $0 SDK-FOLDER URL USER PASSWORD CA-FILE" >&2; exit 2; }
sdk=$1 url=$2 user=$3 password=$4 ca=$5
name=shell-$$-$RANDOM
network=sh$RANDOM

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT

# The shell takes a password from this file only.
(umask 077 && cat >"$home/.ovirtshellrc" <<TEXT
[cli]
autopage = False
[ovirt-shell]
url = $url
username = $user
password = $password
ca_file = $ca
TEXT
)

cat >"$home/commands" <<TEXT
list clusters
list hosts
list storagedomains
show cluster Default
add vm --name $name --cluster-name Default --template-name Blank --memory 268435456 --description fresh
show vm $name
list vms --query "name=$name"
add disk --parent-vm-name $name --name $name-disk --provisioned_size 67108864 --interface virtio --format cow --storage_domains-storage_domain "storage_domain.name=data" --expect 201-created
list disks --parent-vm-name $name
update vm $name --description changed
show vm $name
add network --name $network --data_center-name Default --description shelled
update network $network --description rewired
add network --parent-cluster-name Default --name $network
add nic --parent-vm-name $name --name nic1 --network-name $network --interface virtio
update nic nic1 --parent-vm-name $name --linked False
show nic nic1 --parent-vm-name $name
action nic nic1 deactivate --parent-vm-name $name
list nics --parent-vm-name $name --show-all
show nic nic1 --parent-vm-name $name
list statistics --parent-vm-name $name --parent-nic-name nic1
remove nic nic1 --parent-vm-name $name
list cdroms --parent-vm-name $name
list graphicsconsoles --parent-vm-name $name
add watchdog --parent-vm-name $name --model i6300esb --action reset
list watchdogs --parent-vm-name $name --show-all
list sessions --parent-vm-name $name
list vnicprofiles
add tag --name $name-tag --description label
add tag --parent-vm-name $name --name $name-tag
list tags --parent-vm-name $name
update tag $name-tag --description relabelled
show tag $name-tag
remove tag $name-tag
add bookmark --name $name-mark --value Vms
update bookmark $name-mark --value Hosts
show bookmark $name-mark
remove bookmark $name-mark
list datacenters --show-all
show datacenter Default
update datacenter Default --description shelled
list templates
show template Blank
list disks --query "vm_names=$name"
list vms --query "Storage.name=data and status=down sortby name" --max 5
list vnicprofiles --show-all
list diskprofiles
list cpuprofiles
list domains
list groups
list bookmarks
list tags
list permissions
list macpools --show-all
show macpool Default
list schedulingpolicies
show schedulingpolicy none
list storageconnections
list vmpools
list externalhostproviders
list hosts --show-all
show role UserRole
show storagedomain data
show network ovirtmgmt
list permits --parent-role-name UserRole
list cpuprofiles --parent-cluster-name Default
add affinitygroup --parent-cluster-name Default --name $name-apart --positive False --enforcing True
list affinitygroups --parent-cluster-name Default --show-all
remove affinitygroup $name-apart --parent-cluster-name Default
add instancetype --name $name-size --memory 536870912 --description sized
list instancetypes
show instancetype $name-size
remove instancetype $name-size
add vmpool --name $name-pool --size 1 --cluster-name Default --template-name Blank --description pooled
show vmpool $name-pool
remove vmpool $name-pool
add group --name $name-group
show group $name-group
remove group $name-group
list icons
list roles --parent-user-name admin
list users --query "login=admin"
show user admin
list roles
list events --query "event_vm=$name" --max 50
list jobs
list permissions --parent-vm-name $name
remove vm $name
remove network $network
list networks
list vms
TEXT

said=$(HOME=$home TERM=dumb timeout 300 "$sdk/bin/ovirt-shell" -c -f "$home/commands" </dev/null 2>&1) ||
  { echo "$said"; echo "FAILED: the shell ended with an error" >&2; exit 1; }

failed=0
wanted() {
  grep -qE -- "$1" <<<"$said" || { echo "FAILED: the shell did not say: $1" >&2; failed=1; }
}
# It prints fields as "name      : value".
wanted '^name +: Default'
wanted '^name +: data'
wanted "^name +: $name\$"
wanted '^memory +: 268435456'
wanted "^name +: $name-disk"
wanted '^description *: fresh'
wanted '^description *: changed'
wanted '^description *: rewired'
wanted '^linked +: False'
wanted '^plugged +: False'
wanted 'data.current.rx'
wanted '^action +: reset'
wanted "^name +: $name-tag"
wanted '^description *: relabelled'
wanted "^name +: $name-mark"
wanted '^value *: Hosts'
wanted "^name +: admin"
wanted '^name +: none'
wanted '^ranges-range'
wanted '^description *: sized'
wanted '^description *: pooled'
wanted "^name +: $name-apart"
wanted "^name +: $name-group"
wanted '^name +: XLarge'
wanted '^name +: SuperUser'
wanted "^name +: UserVmManager"
wanted "^description *: VM $name was created by"
wanted "^description *: Creating VM $name"
if grep -nE '(=+ )?ERROR( =+)?|Traceback|unknown (option|error)' <<<"$said" >&2; then
  echo "FAILED: the shell reported an error" >&2
  failed=1
fi
if [ "$(grep -cE "^name +: $name\$" <<<"$said")" -lt 4 ]; then
  echo "FAILED: the VM was seen too seldom" >&2
  failed=1
fi

[ $failed = 0 ] || { echo "$said"; exit 1; }
echo passed
