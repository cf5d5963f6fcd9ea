/** The digests of a directory, against the naive ones, whatever the lengths of names, and the list of its files. */
import t from 'tap'
import { TransferReport } from '../../dist/transfer/transfer-report.js'
import { TreeRecord } from '../../dist/transfer/tree-record.js'
import { digest, frame } from '../fixtures/peer-frames.ts'

t.test('has the digests of the document, however long the names are and however many there are', async (t) => {
  // Some lengths fill what is digested at once exactly, or are larger than that.
  const lengths = [1, 100, 3_000, 21_810, 21_845, 30_000, 65_000, 65_536, 70_000, 2]
  for (const header of [2, 65_536, 65_537, 70_000]) {
    const payload = Buffer.alloc(header, 'h')
    const record = await TreeRecord.create(payload)
    let lines = ''
    const frames: Buffer[] = [payload]
    for (const [index, length] of [...lengths, ...lengths].entries()) {
      const path = `${index % 2 ? 'é' : 'x'}`.repeat(length)
      record.addFile(path, length, digest(path), 0)
      lines += `${digest(path)}  ./${path}\n`
      const body = Buffer.alloc(Math.min(65_536, length), 'f')
      if (index % 2) record.addFrame(frame('L', body))
      else record.addPayload('symlink', body)
      frames.push(frame('L', body))
    }
    record.addFile('a\\b\n', 0, digest(''), 0)
    lines += `\\${digest('')}  ./a\\\\b\\n\n`
    t.strictSame(record.digests(), { blake3: digest(lines), header: digest(Buffer.concat(frames)) })
    record.close()
  }
})

t.test('gives all files in their order, also if there are too many for memory', async (t) => {
  const record = await TreeRecord.create(Buffer.from('{}'))
  const names = Array.from({ length: 1_000 }, (_, index) => `${1_000 + index}\n${'漢'.repeat(1_500)}`)
  for (const [size, name] of names.entries()) record.addFile(name, size, digest(name), performance.now())
  t.equal(record.files, 1_000)
  const found = [...record.all()]
  t.ok(
    found.every(({ path, size, blake3 }, index) => path === names[index] && size === index && blake3 === digest(path)),
  )
  t.equal(found.length, 1_000)
  record.close()
  t.strictSame([...record.all()], [])
})

t.test('has no name for the files of a directory whose final name the receiver did not say', async (t) => {
  const record = await TreeRecord.create(Buffer.from('header'))
  record.addFile('a/b', 1, 'f'.repeat(64), performance.now())
  const events: unknown[] = []
  const report = new TransferReport({ onEvent: (event) => events.push(event), transfer: 1, peer: 'x' })
  const facts = { path: 'd/', name: 'd', storedAs: '', size: 1, blake3: '', type: 'inode/directory', verified: true }
  await report.sentTree(performance.now(), facts, record)
  t.match(events, [
    { path: 'd/a/b', name: 'd/a/b', storedAs: '' },
    { storedAs: '', files: 1 },
  ])
  record.close()
})
