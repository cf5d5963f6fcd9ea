/** An entry that is kept for later: durable in the staging folder, without a final name. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { STAGING } from '../../dist/stores/staging.js'
import { watchDescriptors } from '../fixtures/descriptors.ts'
import { failDuring, replaceDuring } from '../fixtures/disk.ts'
import { finalNames, header, openFolder, stagedFiles } from '../fixtures/folder-store.ts'
import { append } from '../fixtures/sinks.ts'

t.test('keeps what was written, durable, and nothing open', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path, receiverId: 'one' })
  const watch = watchDescriptors()
  const synced: number[] = []
  replaceDuring(t, 'fsync', (fsync) => async (fd) => {
    synced.push(fd)
    await fsync(fd)
  })
  const entry = await store.begin(header())
  await append(entry, Buffer.from('half of it'))
  await entry.suspend()
  t.equal(synced.length, 1)
  t.strictSame(watch.problems(), [])
  watch.restore()
  t.strictSame(finalNames(path), [])
  const [name = ''] = stagedFiles(path)
  t.equal(readFileSync(join(path, STAGING, name), 'utf8'), 'half of it')
})

t.test('says so if it cannot be made durable, and leaves nothing open', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const watch = watchDescriptors()
  failDuring(t, { call: 'fsync', code: 'EIO' })
  const entry = await store.begin(header())
  await append(entry, Buffer.from('half of it'))
  await t.rejects(entry.suspend(), { code: 'local-file', message: /^cannot write .*file\.txt: i\/o error \(EIO\)$/ })
  t.strictSame(watch.problems(), [])
  watch.restore()
})

t.test('takes bytes at any offset', async (t) => {
  const path = t.testdir()
  const store = await openFolder(t, { path })
  const entry = await store.begin(header())
  const put = async (text: string, offset: number) => {
    const bytes = Buffer.from(text)
    if (!entry.write(bytes, offset)) await entry.writeLater(bytes, offset)
  }
  await put('world', 6)
  await put('hello ', 0)
  await entry.writeLater(Buffer.from('!'), 11)
  await entry.commit()
  t.equal(readFileSync(join(path, 'file.txt'), 'utf8'), 'hello world!')
})
