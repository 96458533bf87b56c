/** What recorded commands ask for: profiles by the driver's number. */
import type { Gpu, GpuInstance, GpuInstanceProfile } from '../../lib/index.js'

export async function profileById(gpu: Gpu, id: number): Promise<GpuInstanceProfile> {
  const profile = (await gpu.profiles()).find(entry => entry.id === id)
  if (!profile) throw new Error(`no profile ${id}`)
  return profile
}

export async function create(gpu: Gpu, profileId: number): Promise<GpuInstance> {
  return gpu.createGpuInstance((await profileById(gpu, profileId)).name)
}
