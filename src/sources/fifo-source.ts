/**
 * A path that leads to a pipe: a FIFO, or what a shell makes of `<(command)`. It is read once, to its end, like standard
 * input.
 */
import { constants } from 'node:fs'
import { basename } from 'node:path'
import { disk } from '../disk/disk.js'
import { localTrouble, shown } from '../disk/local-error.js'
import { TransferError } from '../errors.js'
import { OpenPipe } from './descriptor-source.js'
import { type OpenSource, type Source, streamHeader } from './source.js'

const { O_RDONLY, O_NONBLOCK = 0, R_OK } = constants

/** What a shell calls the pipe of `<(command)`: its name is a number, and says nothing. */
const descriptorPath = /^\/(?:dev|proc\/(?:self|\d+))\/fd\/\d+$/

export class FifoSource implements Source {
  readonly label: string
  readonly path: string
  readonly isOnce = true
  readonly name: string

  constructor(path: string, name: string = descriptorPath.test(path) ? 'pipe' : basename(path)) {
    this.path = path
    this.label = shown(path)
    this.name = name
  }

  async inspect(): Promise<null> {
    try {
      await disk.access(this.path, R_OK)
      return null
    } catch (error) {
      throw localTrouble('cannot read', this.label, error)
    }
  }

  /** Nobody has opened it, so a writer that waits is met by the next reader, and nothing of it is lost. */
  release(): void {}

  /**
   * Opening it must not wait for a writer, since nothing could interrupt that. Until the first one has come there is no
   * end to be seen either: a poll tells of an end only after a writer has been there (pipe(7), fifo(7)).
   */
  async open(signal: AbortSignal): Promise<OpenSource> {
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
      throw localTrouble('cannot read', this.label, error)
    }
  }
}
