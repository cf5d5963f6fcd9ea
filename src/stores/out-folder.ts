/** The folder to store in, from a receiver's start to its end: made, found fit before anybody comes, and left clean. */
import { constants } from 'node:fs'
import { Directory } from '../disk/directory.js'
import { disk } from '../disk/disk.js'
import { localTrouble, shown } from '../disk/local-error.js'
import { makeFolder } from '../disk/make-folder.js'
import type { WarningEvent } from '../events.js'
import { cleanStaging, openStaging, removeOwner } from './staging.js'

type Warning = Pick<WarningEvent, 'reason' | 'message'>

/**
 * Makes the folder if it is missing, removes what receivers left that are no longer there, and tries whether `owner`
 * can stage files in it. Throws a local-file error if not. Returns what the user should know of the place.
 */
export async function prepareFolder(path: string, owner: string): Promise<Warning[]> {
  await makeFolder(path)
  try {
    await disk.access(path, constants.W_OK | constants.X_OK)
    return await inFolder(path, async (root) => {
      await cleanStaging(root)
      try {
        return await tryStaging(root, owner, path)
      } finally {
        await removeOwner(root, owner)
      }
    })
  } catch (error) {
    throw localTrouble('cannot store in', path, error)
  }
}

/** Makes the staging folder, for this user alone, and looks whether it is for this user alone. */
async function tryStaging(root: Directory, owner: string, path: string): Promise<Warning[]> {
  const staging = await openStaging(root, owner, path)
  try {
    return (await staging.isOpenToOthers()) ? [noPermissions(path)] : []
  } finally {
    await staging.close()
  }
}

function noPermissions(path: string): Warning {
  const message =
    `the file system of ${shown(path)} keeps no permissions: ` +
    'other users of this machine may be able to read and change what is being received'
  return { reason: 'no-permissions', message }
}

/** Removes what `owner` has left there. A folder that has gone in the meantime needs no cleaning. */
export async function leaveFolder(path: string, owner: string): Promise<void> {
  await inFolder(path, (root) => removeOwner(root, owner)).catch(() => {})
}

async function inFolder<T>(path: string, work: (root: Directory) => Promise<T>): Promise<T> {
  const root = await Directory.open(path)
  try {
    return await work(root)
  } finally {
    await root.close()
  }
}
