/**
 * A path that leads to a pipe: a FIFO, or what a shell makes of `<(command)`. It is read once, to its end, like standard
 * input.
 */
import { constants } from 'node:fs'
import { basename } from 'node:path'
import { disk } from '../disk/disk.js'
import { localError, shown } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { OpenPipe } from './open-pipe.js'
import { type OpenEntry, SingleSource, streamHeader } from './source.js'

const { O_RDONLY, O_NONBLOCK = 0, R_OK } = constants

/** What a shell calls the pipe of `<(command)`: its name is a number, and says nothing. */
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
   * Opening it must not wait for a writer, since nothing could interrupt that. Until the first one has come there is no
   * end to be seen either: a poll tells of an end only after a writer has been there (pipe(7), fifo(7)).
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
      if (fd !== undefined) await disk.close(fd).catch(() => {})
      throw localError('cannot read', this.label, error)
    }
  }
}
