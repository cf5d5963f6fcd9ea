/** The name of a receiver in the staging folder. It identifies a process, so others can tell whether it still runs. */
import { hostname } from 'node:os'
import { disk, errno } from '../disk/disk.js'
import { digest, machineId } from '../disk/machine-id.js'

let instances = 0

/** A name for one receiver of this process: `<boot>-<pid>-<start>-<instance>-<machine>`. */
export async function newReceiverId(): Promise<string> {
  return `${await boot()}-${process.pid}-${await startTime(process.pid)}-${instances++}-${await machineId()}`
}

/** True if the receiver has run on this machine, in this boot or in an earlier one. */
export async function isOfThisMachine(receiverId: string): Promise<boolean> {
  const machine = await machineId()
  return machine !== '' && receiverId.split('-')[4] === machine
}

/** Eight hexadecimal digits for this boot of this machine and this process namespace, the scope of process ids. */
async function boot(): Promise<string> {
  const parts = await Promise.all([
    disk.readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => hostname()),
    disk.readlink('/proc/self/ns/pid').catch(() => ''),
  ])
  return digest(...parts).slice(0, 8)
}

/** The start time of process `pid`, in clock ticks since boot (proc(5), field 22 of stat). 0 if it is not known. */
async function startTime(pid: number): Promise<string> {
  const stat = await disk.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  // The second field is the name of the program in parentheses. It may hold any character, so counting starts after the
  // last parenthesis.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0'
}

/** True if the process of a receiver has exited. Null if the process belongs to another machine or boot. */
export async function hasExited(receiverId: string): Promise<boolean | null> {
  const [where, pid = '', start] = receiverId.split('-')
  if (where !== (await boot()) || !/^\d+$/.test(pid)) return null
  if (!isRunning(Number(pid))) return true
  const known = [start, await startTime(Number(pid))]
  return !known.includes('0') && known[0] !== known[1]
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errno(error) === 'EPERM'
  }
}
