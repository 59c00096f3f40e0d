# -*- coding: utf-8 -*-
"""Networks and the small devices, as users' scripts drive them with the unmodified Python SDK of
version 3 (Python 2.7): networks and profiles, network interfaces, the CD-ROM drive, NUMA nodes,
watchdog, consoles, sessions. Ends with code 0, or with 1 and the first thing that was wrong."""
from __future__ import print_function

import sys
import uuid

from ovirtsdk.xml import params

from sdk3_main_job import MIB, check, find, read_statistics, refused, scenario_of, same, step, wait

NAME = "dev-" + uuid.uuid4().hex[:8]
NETWORK = NAME[:12]
CD = "00000000-0000-0000-0000-000000000000"


def vm_of(api):
    return api.vms.get(name=NAME)


def networks(api):
    step("a network, its profile, its cluster")
    center = api.datacenters.get(name="Default")
    network = api.networks.add(params.Network(
        name=NETWORK, data_center=center, description="made by a script", mtu=1400, stp=False,
        vlan=params.VLAN(id="7"), usages=params.Usages(usage=["vm"])))
    same("name", network.get_name(), NETWORK)
    same("VLAN", int(network.get_vlan().get_id()), 7)
    cluster = api.clusters.get(name="Default")
    attached = cluster.networks.add(params.Network(id=network.get_id(), required=False))
    same("name in the cluster", attached.get_name(), NETWORK)
    find(cluster.networks.list(), NETWORK, "network of the cluster")
    network = api.networks.get(name=NETWORK)
    network.set_description("changed by a script")
    network.update()
    same("description", api.networks.get(id=network.get_id()).get_description(), "changed by a script")
    same("profile of the network", network.vnicprofiles.list()[0].get_name(), NETWORK)

    profile = api.vnicprofiles.add(params.VnicProfile(
        name="filtered", network=params.Network(id=network.get_id()),
        custom_properties=params.CustomProperties(custom_property=[
            params.CustomProperty(name="network_filter", value="no-mac-spoofing")])))
    same("network of the profile", profile.get_network().get_id(), network.get_id())
    profile.set_description("no forged addresses")
    profile.update()
    found = api.vnicprofiles.get(id=profile.get_id())
    same("property", found.get_custom_properties().get_custom_property()[0].get_value(), "no-mac-spoofing")
    refused(409, lambda: api.networks.add(params.Network(name=NETWORK, data_center=center)))
    refused(409, api.networks.get(name="ovirtmgmt").delete)
    return network, profile


def nics(api, network, profile):
    step("interfaces of the running VM")
    vm = vm_of(api)
    nic = vm.nics.add(params.NIC(
        name="nic1", network=params.Network(name="ovirtmgmt"), interface="virtio"))
    same("interface", nic.get_interface(), "virtio")
    same("plugged", nic.get_plugged(), True)
    same("linked", nic.get_linked(), True)
    check(nic.get_mac().get_address().startswith("00:1a:4a:"), "a strange MAC address")
    other = vm.nics.add(params.NIC(name="nic2", vnic_profile=params.VnicProfile(id=profile.get_id())))
    same("network by its profile", other.get_network().get_id(), network.get_id())
    same("names", [one.get_name() for one in vm.nics.list()], ["nic1", "nic2"])
    refused(409, lambda: vm.nics.add(params.NIC(name="nic1")))
    refused(400, lambda: vm.nics.add(params.NIC(name="nic3", network=params.Network(name="none"))))

    nic = vm.nics.get(name="nic1")
    nic.set_linked(False)
    nic.update()
    same("linked", vm.nics.get(name="nic1").get_linked(), False)
    nic = vm.nics.get(name="nic1")
    nic.set_linked(True)
    nic.set_network(params.Network(name=NETWORK))
    nic.update()
    nic = vm.nics.get(name="nic1")
    same("network", nic.get_network().get_id(), network.get_id())
    refused(409, network.delete)
    nic.deactivate()
    same("plugged", vm.nics.get(name="nic1").get_plugged(), False)
    nic = vm.nics.get(name="nic1")
    nic.set_interface("e1000")
    nic.set_mac(params.MAC(address="00:1a:4a:77:77:77"))
    nic.set_name("uplink")
    nic.update()
    nic = vm.nics.get(name="uplink")
    same("MAC address", nic.get_mac().get_address(), "00:1a:4a:77:77:77")
    nic.activate()
    nic = vm.nics.get(name="uplink")
    same("plugged", nic.get_plugged(), True)
    names = ["data.current.rx", "data.current.tx", "errors.total.rx", "errors.total.tx"]
    read_statistics(nic, names, "interface")
    vm.nics.get(name="nic2").deactivate()
    vm.nics.get(name="nic2").delete()
    same("interfaces left", [one.get_name() for one in vm.nics.list()], ["uplink"])


def cdrom(api, iso):
    step("the CD of the session, and the configured one")
    vm = vm_of(api)

    def session():
        drives = [one for one in vm.cdroms.list(current=True)]
        same("drives", len(drives), 1)
        return drives[0].get_file().get_id() if drives[0].get_file() else None

    drive = vm.cdroms.get(id=CD)
    drive.set_file(params.File(id=iso))
    drive.update(current=True)
    same("medium of the session", session(), iso)
    same("configured medium", vm.cdroms.list()[0].get_file(), None)
    drive = vm.cdroms.get(id=CD)
    drive.set_file(params.File(id=""))
    drive.update(current=True)
    same("medium of the session", session(), None)
    drive = vm.cdroms.get(id=CD)
    drive.set_file(params.File(id=iso))
    drive.update()
    same("configured medium", vm.cdroms.get(id=CD).get_file().get_id(), iso)
    for wrong in ["../" + iso, iso[:-4] + ".img"]:
        drive.set_file(params.File(id=wrong))
        refused(400, drive.update)
    drive.set_file(params.File(id=""))
    drive.update()
    check(not vm.cdroms.get(id=CD).get_file(), "the CD is still configured")


def numa(api):
    step("NUMA nodes of the host and of a VM that is down")
    host = api.hosts.list()[0]
    nodes = host.numanodes.list()
    check(nodes, "the host has no NUMA node")
    check(nodes[0].get_memory() > 0 and nodes[0].get_cpu().get_cores().get_core(), "an empty NUMA node")
    read_statistics(nodes[0], ["memory.total", "cpu.current.idle"], "NUMA node")
    read_statistics(host, ["memory.total", "ksm.cpu.current", "boot.time"], "host")
    vm = vm_of(api)

    def node(index):
        return params.VirtualNumaNode(
            index=index, memory=128, cpu=params.CPU(cores=params.Cores(core=[params.Core(index=0)])),
            numa_node_pins=params.NumaNodePins(numa_node_pin=[
                params.NumaNodePin(pinned=True, index=nodes[0].get_index())]))

    made = vm.numanodes.add(node(0))
    same("memory", made.get_memory(), 128)
    same("pinned to", made.get_numa_node_pins().get_numa_node_pin()[0].get_index(), nodes[0].get_index())
    refused(400, lambda: vm.numanodes.add(node(5)))
    made.set_memory(192)
    made.update()
    same("memory", vm.numanodes.list()[0].get_memory(), 192)
    vm.numanodes.get(id=made.get_id()).delete()
    same("nodes left", len(vm.numanodes.list()), 0)


def small_devices(api):
    step("watchdog and consoles of a VM that is down")
    vm = vm_of(api)
    dog = vm.watchdogs.add(params.WatchDog(model="i6300esb", action="reset"))
    same("action", dog.get_action(), "reset")
    dog.set_action("pause")
    dog.update()
    same("action", vm.watchdogs.list()[0].get_action(), "pause")
    vm.watchdogs.list()[0].delete()
    same("watchdogs", len(vm.watchdogs.list()), 0)
    same("consoles", [one.get_protocol() for one in vm.graphicsconsoles.list()], ["VNC"])
    vm.graphicsconsoles.add(params.GraphicsConsole(protocol="SPICE"))
    same("consoles", [one.get_protocol() for one in vm.graphicsconsoles.list()], ["VNC", "SPICE"])
    vm.graphicsconsoles.get(id="5350494345").delete()
    same("consoles", [one.get_protocol() for one in vm.graphicsconsoles.list()], ["VNC"])


def run(api, asked):
    network, profile = networks(api)
    step("a VM")
    system = params.OperatingSystem(kernel=asked.kernel, boot=[params.Boot(dev="hd")])
    api.vms.add(params.VM(
        name=NAME, cluster=params.Cluster(name="Default"), template=params.Template(name="Blank"),
        memory=256 * MIB, os=system, custom_properties=params.CustomProperties(custom_property=[
            params.CustomProperty(name="accelerator", value="tcg")])))
    small_devices(api)
    numa(api)
    vm = vm_of(api)
    vm.start()
    wait("state", lambda: vm_of(api).get_status().get_state(), "up")
    same("sessions", len(vm.sessions.list()), 0)
    same("applications", len(vm.applications.list()), 0)
    vm.reporteddevices.list()
    nics(api, network, profile)
    cdrom(api, asked.iso)

    step("the end")
    vm.stop()
    wait("state", lambda: vm_of(api).get_status().get_state(), "down")
    vm_of(api).delete()
    wait("the deleted VM", lambda: vm_of(api), None)
    profile.delete()
    api.clusters.get(name="Default").networks.get(name=NETWORK).delete()
    api.networks.get(name=NETWORK).delete()
    same("the deleted network", api.networks.get(name=NETWORK), None)


if __name__ == "__main__":
    sys.exit(scenario_of(__doc__, run, "--kernel", "--iso"))
