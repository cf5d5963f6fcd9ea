/** What a receiver knows a file by: the same as long as the file is, and different for everything else. */
import { mkdirSync, renameSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { SMALLEST_KEPT } from '../../dist/protocol/limits.js'
import { FileSource } from '../../dist/sources/file-source.js'
import { identityOf } from '../../dist/sources/identity.js'
import { failDuring } from '../fixtures/disk.ts'
import { setMachineId, THIS_MACHINE } from '../fixtures/machine.ts'
import { replaceProperty } from '../fixtures/replace-property.ts'

async function identify(path: string) {
  return await identityOf(path, statSync(path))
}

t.test('is the same again, by whatever path', async (t) => {
  setMachineId(t)
  const path = t.testdir({ file: 'x', linked: t.fixture('symlink', 'file') })
  const one = await identify(join(path, 'file'))
  t.match(one, { source: /^[0-9a-f]{32}$/, edition: /^[0-9a-f]{32}$/ })
  t.strictSame(await identify(join(path, 'file')), one)
  t.strictSame(await identify(join(path, 'linked')), one)
  t.strictSame(await identify(`${path}/./file`), one)
})

t.test('is another edition once the file has changed', async (t) => {
  setMachineId(t)
  const path = join(t.testdir({ file: 'x' }), 'file')
  utimesSync(path, 1, 1)
  const before = await identify(path)
  const changes: [string, () => void][] = [
    ['another size', () => writeFileSync(path, 'xy')],
    ['another time', () => utimesSync(path, 1, 2)],
    [
      'another file',
      () => {
        writeFileSync(`${path}.new`, 'xy')
        utimesSync(`${path}.new`, 1, 2)
        renameSync(`${path}.new`, path)
      },
    ],
  ]
  const editions = new Set([before.edition])
  for (const [what, change] of changes) {
    change()
    if (what === 'another size') utimesSync(path, 1, 1)
    const { source, edition } = await identify(path)
    t.equal(source, before.source, what)
    editions.add(edition)
  }
  t.equal(editions.size, 4)
})

t.test('is the same after a reboot that has given the device another number', async (t) => {
  setMachineId(t)
  const path = join(t.testdir({ file: 'x' }), 'file')
  const stats = statSync(path)
  t.strictSame(await identityOf(path, Object.assign(statSync(path), { dev: stats.dev + 1 })), await identify(path))
})

t.test('is another source by another path, user or machine', async (t) => {
  setMachineId(t)
  const path = t.testdir({ one: 'x' })
  mkdirSync(join(path, 'two'))
  writeFileSync(join(path, 'two/one'), 'x')
  const file = join(path, 'one')
  const sources = new Set([(await identify(file)).source, (await identify(join(path, 'two/one'))).source])
  replaceProperty(t, process, 'geteuid', { value: () => 4321 })
  sources.add((await identify(file)).source)
  replaceProperty(t, process, 'geteuid', { value: undefined })
  sources.add((await identify(file)).source)
  setMachineId(t, THIS_MACHINE.replace('0', '1'))
  sources.add((await identify(file)).source)
  t.equal(sources.size, 5)
})

t.test('is the same as long as the process on a machine without an identity', async (t) => {
  setMachineId(t)
  const file = join(t.testdir({ file: 'x' }), 'file')
  const there = await identify(file)
  setMachineId(t, null)
  const one = await identify(file)
  t.match(one, { source: /^[0-9a-f]{32}$/, edition: /^[0-9a-f]{32}$/ })
  t.strictSame(await identify(file), one)
  t.not(one.source, there.source)
})

t.test('is there also if the path cannot be resolved', async (t) => {
  setMachineId(t)
  const folder = t.testdir({ file: 'x' })
  failDuring(t, { call: 'realpath', code: 'EACCES', occurrence: 0 })
  const one = await identify(`${folder}/file`)
  t.match(one, { source: /^[0-9a-f]{32}$/ })
  t.strictSame(await identify(`${folder}/./file`), one)
})

t.test('is in the header of a file that is worth keeping, and of no other', async (t) => {
  setMachineId(t)
  const path = t.testdir({ large: Buffer.alloc(SMALLEST_KEPT), small: Buffer.alloc(SMALLEST_KEPT - 1) })
  symlinkSync('large', join(path, 'linked'))
  for (const name of ['large', 'linked']) {
    const entry = await new FileSource(join(path, name)).open()
    t.match(entry.header, await identify(join(path, 'large')), name)
    await entry.close()
  }
  const small = await new FileSource(join(path, 'small')).open()
  t.notOk('source' in small.header || 'edition' in small.header)
  await small.close()
})
