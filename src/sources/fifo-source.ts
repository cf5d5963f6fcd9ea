/**
 * A path that leads to a pipe: a FIFO, or the path that a shell passes for `<(command)`. Like standard input, it is
 * read once, to its end.
 */
import { constants } from 'node:fs'
import { basename } from 'node:path'
import { closeQuietly, disk } from '../disk/disk.js'
import { localError, shown } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { OpenPipe } from './open-pipe.js'
import { type OpenEntry, SingleSource, streamHeader } from './source.js'

const { O_RDONLY, O_NONBLOCK = 0, R_OK } = constants

/** The path that a shell passes for `<(command)`. Its last part is a number, which is no useful name for a file. */
const descriptorPath = /^\/(?:dev|proc\/(?:self|\d+))\/fd\/\d+$/

export class FifoSource extends SingleSource {
  readonly label: string
  readonly path: string
  readonly isOnce = true
  readonly name: string

  constructor(path: string, name: string = descriptorPath.test(path) ? 'pipe' : basename(path)) {
    super()
    this.path = path
    this.label = shown(path)
    this.name = name
  }

  async inspect(): Promise<null> {
    try {
      await disk.access(this.path, R_OK)
      return null
    } catch (error) {
      throw localError('cannot read', this.label, error)
    }
  }

  /**
   * Opens the pipe without waiting for a writer, because nothing could interrupt that wait. The reads still wait for
   * the first writer: poll reports no end of a pipe before a writer has opened it (pipe(7), fifo(7)).
   */
  async open(signal: AbortSignal): Promise<OpenEntry> {
    let fd: number | undefined
    try {
      fd = await disk.open(this.path, O_RDONLY | O_NONBLOCK)
      if (!(await disk.fstat(fd)).isFIFO()) {
        throw new TransferError('local-file', `${this.label} is no pipe any more`, { reason: 'changed' })
      }
      const header = streamHeader(this.name)
      return new OpenPipe(header, this.label, fd, false, signal)
    } catch (error) {
      if (fd !== undefined) await closeQuietly(fd)
      throw localError('cannot read', this.label, error)
    }
  }
}
