# -*- coding: utf-8 -*-
"""What clients look up and keep, by the unmodified Python SDK of version 3 (Python 2.7): events,
jobs, tags, bookmarks, sizes, rules, pools and groups as the administrator; then the world as a user who has a role on one VM.
Ends with code 0, or with 1 and the first thing that was wrong."""
from __future__ import print_function

import argparse
import sys
import traceback
import uuid

from ovirtsdk.api import API
from ovirtsdk.infrastructure.errors import RequestError
from ovirtsdk.xml import params

NAME = "look-" + uuid.uuid4().hex[:8]
PASSWORD = "correct horse"


class Wrong(Exception):
    pass


def check(true, text):
    if not true:
        raise Wrong(text)


def same(what, found, wanted):
    check(found == wanted, "%s is %r instead of %r" % (what, found, wanted))


def refused(what, status, call):
    try:
        call()
    except RequestError as why:
        return same("the status of " + what, why.status, status)
    raise Wrong(what + " was not refused")


def new_vm(api, name):
    return api.vms.add(params.VM(
        name=name, cluster=params.Cluster(name="Default"), template=params.Template(name="Blank"),
    ), correlation_id="look-up")


def events(api, vm):
    told = api.events.list(query="event_vm=%s" % vm.name)
    same("the number of events", len(told), 1)
    same("the event's code", told[0].code, 34)
    same("its correlation", told[0].correlation_id, "look-up")
    same("its VM", told[0].vm.id, vm.id)
    same("the newest event", api.events.list(max=1)[0].id, max(api.events.list(), key=lambda e: int(e.id)).id)
    own = api.events.add(params.Event(
        description=NAME + " is hot", severity="warning", origin="monitor", custom_id=int(uuid.uuid4().int % 2**30)))
    same("the own event", api.events.get(id=own.id).description, NAME + " is hot")
    own.delete()
    check(api.events.get(id=own.id) is None, "a deleted event is shown")
    job = [job for job in api.jobs.list() if job.description == "Creating VM " + vm.name][0]
    same("the job", job.status.state, "finished")
    check(len(job.steps.list()) == 2, "a job has two steps")
    mine = api.jobs.add(params.Job(description=NAME))
    step = mine.steps.add(params.Step(description="copying", type_="EXECUTING"))
    step.end(params.Action(succeeded=True))
    mine.end(params.Action(status=params.Status(state="finished")))
    same("the own job", api.jobs.get(id=mine.id).status.state, "finished")
    mine.clear()


def labels(api, vm):
    api.tags.add(params.Tag(name=NAME))
    below = api.tags.add(params.Tag(name=NAME + ".2", parent=params.TagParent(tag=params.Tag(name=NAME))))
    vm.tags.add(params.Tag(name=NAME))
    same("the VM's tags", [tag.name for tag in vm.tags.list()], [NAME])
    vm.tags.get(name=NAME).delete()
    below.set_name(NAME + ".3")
    same("the renamed tag", below.update().name, NAME + ".3")
    api.tags.get(name=NAME).delete()
    check(api.tags.get(name=NAME + ".3") is None, "a tag below a removed one is there")
    mark = api.bookmarks.add(params.Bookmark(name=NAME, value="Vms: name=" + NAME))
    mark.set_value("Vms:")
    same("the bookmark", mark.update().value, "Vms:")
    mark.delete()


def user_view(args, api, mine, other):
    user = api.users.add(params.User(user_name=NAME + "@internal", password=PASSWORD))
    same("the user", api.users.list(query="usrname=%s@internal" % NAME)[0].id, user.id)
    role = api.roles.get(name="UserVmManager")
    check(role.permits.get(name="run_vm") is not None, "the role may not run VMs")
    mine.permissions.add(params.Permission(role=role, user=user))
    view = API(url=args.url, username=NAME + "@internal", password=PASSWORD, ca_file=args.ca, filter=True)
    same("the VMs that the user sees", [vm.id for vm in view.vms.list()], [mine.id])
    check(view.vms.get(id=other.id) is None, "the user sees another VM")
    check(view.vms.get(name=other.name) is None, "the user finds another VM")
    vm = view.vms.get(id=mine.id)
    vm.set_description("mine")
    same("the description", vm.update().description, "mine")
    refused("a VM of a user who may create none", 403, lambda: new_vm(view, NAME + ".x"))
    refused("a tag by a user", 403, lambda: view.tags.add(params.Tag(name=NAME)))
    view.disconnect()
    bare = API(url=args.url, username=NAME + "@internal", password=PASSWORD, ca_file=args.ca)
    refused("the view of administrators", 400, bare.vms.list)
    bare.disconnect()
    user.delete()


def sizes(api, vm):
    same("the sizes", sorted(it.name for it in api.instancetypes.list()), [
        "Large", "Medium", "Small", "Tiny", "XLarge"])
    size = api.instancetypes.add(params.InstanceType(name=NAME, memory=256 * 2**20))
    size.nics.add(params.NIC(name="nic1", interface="virtio"))
    sized = api.vms.add(params.VM(
        name=NAME + ".sized", cluster=params.Cluster(name="Default"), template=params.Template(name="Blank"),
        instance_type=params.InstanceType(name=NAME),
    ))
    same("the memory of its VM", sized.memory, 256 * 2**20)
    same("its interfaces", [nic.name for nic in sized.nics.list()], ["nic1"])
    size.set_description("changed")
    same("the size's description", size.update().description, "changed")
    sized.delete()
    size.delete()
    picture = api.icons.get(id=vm.large_icon.id)
    same("the VM's picture", picture.media_type, "image/png")


def rules(api, one, other):
    groups = api.clusters.get(name="Default").affinitygroups
    apart = groups.add(params.AffinityGroup(name=NAME, positive=False, enforcing=True))
    for vm in [one, other]:
        apart.vms.add(params.VM(id=vm.id))
    same("the VMs of the rule", sorted(vm.name for vm in apart.vms.list()), sorted([one.name, other.name]))
    apart.set_enforcing(False)
    same("the rule", apart.update().enforcing, False)
    apart.vms.get(name=one.name).delete()
    apart.delete()
    check(groups.get(name=NAME) is None, "a removed rule is there")


def pools(api):
    pool = api.vmpools.add(params.VmPool(
        name=NAME + "-pool", size=2, cluster=params.Cluster(name="Default"), template=params.Template(name="Blank")))
    same("the pool's size", api.vmpools.get(name=NAME + "-pool").size, 2)
    vms = api.vms.list(query="pool=%s-pool" % NAME)
    same("the pool's VMs", [vm.name for vm in vms], [NAME + "-pool-1", NAME + "-pool-2"])
    refused("the removal of one of its VMs", 409, vms[0].delete)
    vms[0].detach(params.Action())
    vms[0].delete()
    pool.delete()
    same("what is left of it", api.vms.list(query="name=%s-pool*" % NAME), [])


def groups(api, vm):
    group = api.groups.add(params.Group(name=NAME))
    group.permissions.add(params.Permission(
        role=params.Role(name="UserRole"), vm=params.VM(id=vm.id)))
    same("the VM's groups", [it.group.id for it in vm.permissions.list() if it.group], [group.id])
    group.delete()
    same("after it went", [it.group.id for it in vm.permissions.list() if it.group], [])


def main():
    parser = argparse.ArgumentParser()
    for name in ["--url", "--user", "--password", "--ca"]:
        parser.add_argument(name, required=True)
    args = parser.parse_args()
    api = API(url=args.url, username=args.user, password=args.password, ca_file=args.ca)
    mine, other = new_vm(api, NAME), new_vm(api, NAME + ".other")
    try:
        events(api, mine)
        labels(api, mine)
        sizes(api, mine)
        rules(api, mine, other)
        pools(api)
        groups(api, mine)
        user_view(args, api, mine, other)
    finally:
        mine.delete()
        other.delete()
        api.disconnect()


try:
    main()
    print("passed")
except Exception:
    traceback.print_exc()
    sys.exit(1)
