/** The way out of one entry, step by step: header; read, digest, frame and write; check; end. */
import { TransferError } from '../errors.js'
import type { SenderLink } from '../links/link.js'
import { KEPT_DIRECTORIES, type Wanted } from '../protocol/messages.js'
import type { Entry, OpenDirectory, OpenEntry } from '../sources/source.js'
import { TreeCount } from '../sources/tree-count.js'
import type { Pending } from './answers.js'
import { digestOf } from './digest.js'
import { checkExpected, checkGrowing, type Expectation } from './expectation.js'
import { KeptItems } from './kept-items.js'
import type { Pump } from './pump.js'
import { sendWanted } from './resumed-outflow.js'
import type { TransferReport } from './transfer-report.js'
import { TreeRecord } from './tree-record.js'
import { TreeStream } from './tree-stream.js'

export interface Outflow {
  link: SenderLink
  pump: Pump
  report: TransferReport
  expect: Expectation
  /** What the receiver can do. It has greeted before a directory is sent. */
  features: readonly string[]
  /** Called after the header. An entry that can be read only once waits here for the digest that the receiver needs. */
  beforeData(pending: Pending): Promise<void>
  /** Waits until the receiver has said what it wants of a file. */
  wanted(pending: Pending): Promise<Wanted>
  /** Waits until the receiver has said what it has of a directory. */
  listed(pending: Pending): Promise<ReadonlyMap<string, string>>
}

/** The error for an entry that needs a feature which the receiver does not have: it could only break off. */
export function checkFeature({ label }: Entry, feature: string, features: readonly string[]): void {
  if (features.includes(feature)) return
  const text = `${label}: the receiver takes no ${feature}; update it, or send an archive: tar -c DIR | tcp-send --name dir.tar - HOST PORT`
  throw new TransferError('refused', text, { reason: 'policy' })
}

/** Sends one entry to its end. Throws the error of its source or of the link. */
export async function sendEntry(outflow: Outflow, pending: Pending, opened: OpenEntry | OpenDirectory): Promise<void> {
  outflow.pump.begin(pending.header.type)
  if ('tree' in opened) await sendDirectory(outflow, pending, opened)
  else await sendData(outflow, pending, opened)
}

async function sendData(
  { link, pump, report, expect, beforeData, wanted }: Outflow,
  pending: Pending,
  opened: OpenEntry,
): Promise<void> {
  const { header, entry, stop } = pending
  const payload = await link.begin(header)
  await beforeData(pending)
  const { algorithm } = pending
  const begin = (have: number) => {
    const progress = report.progress(header, have)
    pending.progress = progress
    return (bytes: number) => {
      progress.wire = pump.wire
      progress.update(bytes)
    }
  }
  const sent = header.resume
    ? await sendWanted({ link, pump, begin, wanted }, pending, opened)
    : await pump.move(opened, stop.signal, begin(0), {
        algorithm,
        checkGrowing: (bytes) => checkGrowing(entry.label, bytes, expect),
      })
  await opened.check()
  checkExpected(entry.label, sent, expect)
  const { bytes, blake3, sha256 } = sent
  const digests = sha256 === null ? { blake3 } : { blake3: null, sha256 }
  const headerDigest = payload && { header: await digestOf(payload, algorithm) }
  // Set before the end is written, because the answer may come before the write settles.
  pending.sent = sent
  await link.end({ bytes, ...digests, ...headerDigest })
}

/** The data are the frames of everything in the directory. They carry the digest of each file. */
async function sendDirectory(outflow: Outflow, pending: Pending, opened: OpenDirectory): Promise<void> {
  const { link, pump, report } = outflow
  const { header, stop } = pending
  const payload = (await link.begin(header)) as Buffer
  const record = await TreeRecord.create(payload)
  pending.record = record
  const kept = header.resume ? await KeptItems.create(await outflow.listed(pending), opened) : null
  const onProblem = (path: string, error: TransferError) =>
    report.failed(`${header.name}/${path}`, error, { directory: header.name })
  const stream = await TreeStream.create({ opened, record, kept, onProblem })
  const count = new TreeCount(() => opened.walkAgain())
  try {
    const progress = report.progress(header)
    pending.progress = progress
    const onMoved = () => {
      count.tick()
      progress.wire = pump.wire
      progress.updateTree(record, count)
    }
    const { bytes } = await pump.move(stream, stop.signal, onMoved, { algorithm: null })
    await count.finish(record)
    await stream.check(outflow.features.includes(KEPT_DIRECTORIES))
    const { blake3, header: headerDigest } = record.digests()
    pending.sent = { bytes, blake3, sha256: null }
    await link.end({ bytes, blake3, header: headerDigest })
  } finally {
    await count.stop()
    await stream.close()
  }
}
