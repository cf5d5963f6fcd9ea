/**
 * Power cuts. The receiver stores on a real ext4 in an image, and is stopped after every call of the transfer. What the
 * file system has written to its device by then is all that is left after a cut: the image is copied, and mounted later.
 * Nothing else writes to it in that time, since the journal is not committed by the clock.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { tellTree } from '../fixtures/tree.ts'
import { toldOf, withoutStaging } from './folders.ts'
import { type Expected, judgeFolder, type Told, topOf } from './judge.ts'
import { cleaning, Stage } from './stage.ts'
import { Strace, threadsOf } from './strace.ts'
import { Tally } from './tally.ts'
import { transfers as all, isSingle, type Transfer } from './transfers.ts'

/** The last one may commit a name before the data of its file. */
const modes = ['data=ordered', 'data=writeback,noauto_da_alloc']

/** After each of these calls the power may fail. */
const steps = 'openat,mkdir,symlink,link,rename,unlink,rmdir,pwrite64,write,writev,fchmod,utimensat,fsync,close,wait4'

/** Receivers that do not flush what they should: the test has to notice each. */
const careless = Object.entries({ nothing: 'true', 'no file': 'stats.isFile()', 'no folder': 'stats.isDirectory()' })

function withoutFlush(condition: string): string {
  const replaced = `const stats = fs.fstatSync(fd); return ${condition} ? setImmediate(done, null) : fsync(fd, done)`
  return `const fs = (await import('node:fs')).default; const { fsync } = fs; fs.fsync = (fd, done) => { ${replaced} }`
}

/** What a disk held at a moment, and what had been confirmed by the last moment at which it held that. */
interface Moment {
  image: Buffer
  confirmed: string[]
  cuts: number
}

function run(program: string, ...args: string[]): void {
  const { error, status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  if (error || status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error?.message ?? stderr.trim()}`)
}

export async function power(tally: Tally, transfers: readonly Transfer[]): Promise<void> {
  if (process.getuid?.() !== 0) return console.log('power cuts are left out: only root can mount')
  for (const mode of modes) {
    for (const transfer of transfers.filter((transfer) => !isSingle(transfer))) await cut(transfer, mode, tally)
  }
  for (const [what, condition] of careless) {
    const noticed = new Tally(1, true)
    await cut(all[0] as Transfer, modes[1] as string, noticed, withoutFlush(condition))
    tally.add(
      'the test itself',
      `a receiver that flushes ${what}`,
      noticed.problems.length > 0 ? [] : ['loses nothing'],
    )
  }
}

async function cut(transfer: Transfer, mode: string, tally: Tally, preload = ''): Promise<void> {
  const disk = new Disk(mode)
  const stage = new Stage(transfer, { out: join(disk.folder, 'out') })
  try {
    const told = toldOf(stage)
    run('sync', '-f', stage.out)
    const moments = await watch(stage, disk, preload)
    disk.unmount()
    const title = `${transfer.title}, power cut (${mode})`
    for (const [index, moment] of moments.entries()) {
      const problems = await judgeMoment(stage, disk, moment, told)
      const outcome = `${moment.confirmed.length} confirmed`
      for (let count = 1; count < moment.cuts; count++) tally.add(title, '', [], outcome)
      tally.add(title, `state ${index + 1} of ${moments.length} of the disk`, problems, outcome)
    }
  } finally {
    await stage.end()
    disk.remove()
  }
}

/** One transfer, and what is on the disk after every call. */
async function watch(stage: Stage, disk: Disk, preload: string): Promise<Moment[]> {
  const receiver = await stage.startListener(preload)
  const pid = receiver.child.pid as number
  const threads = threadsOf(pid)
  const other = readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .find((id) => id !== threads.main && id !== threads.pool)
  const moments: Moment[] = []
  const look = () => {
    const image = disk.image()
    const confirmed = stage
      .events()
      .flatMap((event) => (event.event === 'stored' && event.directory === undefined ? [basename(event.path)] : []))
    const last = moments.at(-1)
    if (last?.image.equals(image)) Object.assign(last, { confirmed, cuts: last.cuts + 1 })
    else moments.push({ image, confirmed, cuts: 1 })
  }
  look()
  const strace = await Strace.attach(
    [threads.main, threads.pool],
    [`--trace=${steps}`, `--inject=${steps}:signal=STOP`],
  )
  const sender = stage.startDialler()
  let isOver = false
  void sender.done.then(() => {
    isOver = true
  })
  while (!isOver) {
    await sleep(1)
    // The threads that are traced are stopped for a moment at each call anyway.
    if (!/\) T /.test(readFileSync(`/proc/${pid}/task/${other}/stat`, 'utf8'))) continue
    look()
    process.kill(pid, 'SIGCONT')
  }
  const { code, stderr } = await sender.done
  if (code !== 0) throw new Error(`the sender ends with ${code}: ${stderr}`)
  await receiver.kill('SIGKILL')
  look()
  await strace.detach()
  return moments
}

async function judgeMoment(stage: Stage, disk: Disk, moment: Moment, told: Expected): Promise<string[]> {
  disk.mount(moment.image)
  try {
    const tell = (): Told => withoutStaging(tellTree(stage.out, { contentOnly: true }))
    const there = tell()
    const problems = judgeFolder(stage.transfer, there, told.before, told.after)
    for (const [path, what] of Object.entries(told.after)) {
      const isConfirmed = moment.confirmed.includes(topOf(path))
      if (isConfirmed && there[path] !== what)
        problems.push(`${path} was confirmed and is ${there[path] ?? 'not there'}`)
    }
    problems.push(...(await stage.nextStart()))
    if (JSON.stringify(tell()) !== JSON.stringify(there)) problems.push('the next receiver removes something')
    return problems
  } finally {
    disk.unmount()
  }
}

/** An ext4 in a file that is in memory, mounted. */
class Disk {
  readonly #place = `/dev/shm/tcp-faults-${process.pid}`
  readonly #image = join(this.#place, 'image')
  readonly folder = join(this.#place, 'disk')
  readonly #mode: string
  #isMounted = false

  constructor(mode: string) {
    this.#mode = mode
    cleaning.add(this.remove)
    mkdirSync(this.folder, { recursive: true })
    writeFileSync(this.#image, Buffer.alloc(24 * 1024 * 1024))
    run('mkfs.ext4', '-q', '-F', '-b', '1024', '-E', 'lazy_itable_init=0,lazy_journal_init=0', this.#image)
    this.mount()
  }

  /** @param image what is on the disk; default: what was there before */
  mount(image?: Buffer): void {
    if (image) writeFileSync(this.#image, image)
    run('mount', '-o', `loop,commit=3600,${this.#mode}`, this.#image, this.folder)
    this.#isMounted = true
  }

  image(): Buffer {
    return readFileSync(this.#image)
  }

  unmount(): void {
    run('umount', this.folder)
    this.#isMounted = false
  }

  readonly remove = (): void => {
    cleaning.delete(this.remove)
    if (this.#isMounted) spawnSync('umount', ['--lazy', this.folder])
    rmSync(this.#place, { recursive: true })
  }
}
