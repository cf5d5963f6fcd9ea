import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t, { type Test } from 'tap'
import { Spool } from '../../dist/disk/spool.js'
import { failDuring, injectFault, realDisk, replaceDuring } from '../fixtures/disk.ts'
import { watchOpenFiles } from '../fixtures/open-files.ts'

/** Lines that are longer than one read from the file, characters of several bytes, and an empty line. */
const line = (number: number) => (number === 7 ? '' : `${number} ${'é€😀'.repeat(number % 1000 === 0 ? 40_000 : 100)}`)

function fill(spool: Spool, count: number): string[] {
  const lines = Array.from({ length: count }, (_, number) => line(number))
  for (const one of lines) spool.add(one)
  return lines
}

function newSpool(t: Test): Spool {
  const spool = new Spool()
  t.teardown(() => spool.close())
  return spool
}

t.test('keeps a few lines in memory', async (t) => {
  const leaked = watchOpenFiles(tmpdir())
  const spool = newSpool(t)
  t.strictSame([...spool.lines()], [])
  const lines = fill(spool, 10)
  t.equal(spool.count, 10)
  t.strictSame([...spool.lines()], lines)
  t.strictSame(await leaked(), [])
})

t.test('keeps many lines in a file that has no name, and gives them again and again', async (t) => {
  const before = readdirSync(tmpdir())
  const leaked = watchOpenFiles(tmpdir())
  const spool = newSpool(t)
  const lines = fill(spool, 8_000)
  t.equal(spool.count, 8_000)
  t.match(await leaked(), [/\(deleted\)$/])
  t.strictSame(
    readdirSync(tmpdir()).filter((name) => name.startsWith('tcp-') && !before.includes(name)),
    [],
  )
  for (let time = 0; time < 2; time++) t.ok(same([...spool.lines()], lines))
  spool.add('one more')
  t.ok(same([...spool.lines()], [...lines, 'one more']))
  spool.close()
  t.strictSame(await leaked(), [])
})

/** A difference of megabytes would take long to show. */
function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, index) => text === other[index])
}

t.test('reads and writes on where a call did only a part', async (t) => {
  replaceDuring(t, 'writeSync', () => (fd, bytes, offset, length, position) => {
    return realDisk.writeSync(fd, bytes, offset, Math.min(length, 1_000_003), position)
  })
  replaceDuring(t, 'readSync', () => (fd, bytes, offset, length, position) => {
    return realDisk.readSync(fd, bytes, offset, Math.min(length, 7_001), position)
  })
  const spool = newSpool(t)
  const lines = fill(spool, 8_000)
  t.ok(same([...spool.lines()], lines))
})

t.test('forgets everything when it is closed, also what comes later', async (t) => {
  const spool = newSpool(t)
  spool.add('one')
  spool.close()
  spool.add('two')
  t.strictSame([...spool.lines()], [])
  spool.close()
})

for (const call of ['openSync', 'unlinkSync'] as const) {
  t.test(`keeps everything in memory if no file can be created (${call})`, async (t) => {
    const leaked = watchOpenFiles(tmpdir())
    const fault = injectFault({ call, code: 'EROFS', occurrence: 0 })
    const spool = newSpool(t)
    const lines = fill(spool, 8_000)
    fault.restore()
    t.equal(fault.calls, 1, 'and does not try again')
    t.ok(same([...spool.lines()], lines))
    t.strictSame(await leaked(), [])
  })
}

t.test('keeps the rest in memory when the disk is full', async (t) => {
  const spool = newSpool(t)
  failDuring(t, { call: 'writeSync', code: 'ENOSPC', occurrence: 3 })
  const lines = fill(spool, 12_000)
  t.ok(same([...spool.lines()], lines))
})
